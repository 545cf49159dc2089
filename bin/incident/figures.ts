import type { Incident } from '../../lambdas/shared/incidents.ts';
import { fromMetric } from '../../lib/runbook/measure.ts';
import type { Runbook } from '../../lib/runbook/runbook.ts';
import { type SignalName, signalFor } from '../../lib/runbook/signals.ts';

/** Conditions by the name that the timeline gives their alarms. */
type Conditions = ReadonlyMap<string, { readonly text: string; readonly signal: SignalName }>;

/** What the alarms of an incident showed before anything was done, and when it was last looked at. */
export interface Figures {
  readonly header: readonly string[];
  /** A row for each alarm, the firing one first; none where nothing could be measured. */
  readonly rows: readonly (readonly string[])[];
}

function conditionsOf({ alarms, recovery }: Pick<Runbook, 'alarms' | 'recovery'>): Conditions {
  const conditions = new Map<string, { readonly text: string; readonly signal: SignalName }>();
  for (const criterion of recovery) {
    if (criterion.kind !== 'signal') continue;
    const { signal } = criterion.condition;
    conditions.set(signal, { text: `recovered: ${criterion.text}`, signal });
  }
  for (const { name, text, condition } of alarms)
    conditions.set(name, { text: `fires: ${text}`, signal: condition.signal });
  return conditions;
}

interface Measured {
  readonly at: string;
  /** `before`, `after` or the like. */
  readonly when: string;
  /** As `3082 (ALARM)` or `1 (OK, 4 min ago)`, by the alarm's short name. */
  readonly values: ReadonlyMap<string, string>;
}

function measured({ timeline }: Pick<Incident, 'timeline'>, conditions: Conditions): Measured[] {
  return timeline.flatMap(({ at, kind, text }) => {
    if (kind !== 'values') return [];
    const [when = ''] = text.split(':');
    const values = [...text.matchAll(/(\S+) (\S+) \((\w+(?:, \d+ min ago)?)\)/g)].map(
      ([, name = '', figure = '', state = '']) => {
        const condition = conditions.get(name);
        const isFigure = condition && Number.isFinite(Number(figure));
        const written = isFigure ? fromMetric(signalFor(condition.signal).measure, Number(figure)) : figure;
        return [name, `${written} (${state})`] as const;
      },
    );
    return [{ at, when, values: new Map(values) }];
  });
}

/** @param runbook for the units and what is asked for; without it the figures are those of the metrics */
export function figuresOf(
  incident: Pick<Incident, 'timeline'>,
  runbook: Pick<Runbook, 'alarms' | 'recovery'> | undefined,
): Figures {
  const conditions: Conditions = runbook ? conditionsOf(runbook) : new Map();
  const all = measured(incident, conditions);
  const first = all.at(0);
  const last = all.length > 1 ? all.at(-1) : undefined;
  const shown = [first, last].filter(each => each !== undefined);
  const names = [...new Set(shown.flatMap(({ values }) => [...values.keys()]))];
  return {
    header: ['Figure', 'Condition', ...shown.map(({ when, at }) => `${when}, ${at.slice(11, 16)} UTC`)],
    rows: names.map(name => [
      name,
      conditions.get(name)?.text ?? '',
      ...shown.map(({ values }) => values.get(name) ?? 'not measured'),
    ]),
  };
}
