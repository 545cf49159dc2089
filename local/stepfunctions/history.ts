import { StateError } from './state-error.ts';

/** An event as GetExecutionHistory tells it: `type`, and `<type>EventDetails` or what several types share. */
export interface HistoryEvent {
  readonly id: number;
  readonly previousEventId: number;
  readonly type: string;
  /** Epoch milliseconds of monitoring time. */
  readonly timestamp: number;
  readonly details: Readonly<Record<string, object>>;
}

/** "Step Functions service quotas": events of an execution's history, the one that ends it included. */
export const maxHistoryEvents = 25_000;

/** What an execution did. */
export class History {
  readonly events: HistoryEvent[] = [];
  readonly #now: () => number;
  readonly #max: number;

  /** @param max for tests */
  constructor(now: () => number, max = maxHistoryEvents) {
    this.#now = now;
    this.#max = max;
  }

  /**
   * @returns the event's id
   * @throws StateError `States.Runtime` where only the event that ends the execution has room left
   */
  add(type: string, details: Readonly<Record<string, object>> = {}): number {
    if (this.events.length >= this.#max - 1 && !type.startsWith('Execution'))
      throw new StateError(
        'States.Runtime',
        `The execution reached the maximum number of history events (${this.#max}).`,
      );
    const id = this.events.length + 1;
    this.events.push({ id, previousEventId: id - 1, type, timestamp: this.#now(), details });
    return id;
  }
}
