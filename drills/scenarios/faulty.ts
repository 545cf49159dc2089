import type { FaultSpec } from '../../local/faults/catalogue.ts';
import type { Lift, Scenario, Setting } from '../scenario.ts';

/** Injects faults that last until they are lifted. */
export async function inject({ stage: { faults } }: Setting, specs: readonly FaultSpec[]): Promise<Lift> {
  const ids: string[] = [];
  for (const spec of specs) ids.push((await faults.inject(spec)).id);
  return async () => {
    const running = new Set((await faults.list()).map(({ id }) => id));
    // What happens once is over by itself.
    for (const id of ids.filter(each => running.has(each))) await faults.clear(id);
  };
}

export const together =
  (...lifts: readonly Lift[]): Lift =>
  async () => {
    for (const lift of lifts) await lift();
  };

/** A scenario that consists of faults of the local environment. */
export const faulty = (
  fault: string,
  specs: readonly FaultSpec[],
  more: Omit<Scenario, 'fault' | 'begin'> = {},
): Scenario => ({ fault, ...more, begin: setting => inject(setting, specs) });
