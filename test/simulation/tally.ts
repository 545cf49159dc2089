import type { Outcome } from './history.ts';

/** Sums of what happened in several histories. */
export class Tally {
  histories = 0;
  readonly #faults = new Map<string, number>();
  readonly #happenings = new Map<string, number>();

  add({ faults, happenings }: Outcome): void {
    this.histories += 1;
    for (const [sums, counts] of [
      [this.#faults, faults],
      [this.#happenings, happenings],
    ] as const)
      for (const [name, count] of counts) sums.set(name, (sums.get(name) ?? 0) + count);
  }

  fault(name: string): number {
    return this.#faults.get(name) ?? 0;
  }

  happening(name: string): number {
    return this.#happenings.get(name) ?? 0;
  }

  toString(): string {
    const lines = (title: string, sums: ReadonlyMap<string, number>) => [
      title,
      ...[...sums].sort(([, a], [, b]) => b - a).map(([name, count]) => `${String(count).padStart(9)} ${name}`),
    ];
    return [...lines('What happened', this.#happenings), ...lines('Faults', this.#faults)].join('\n');
  }
}
