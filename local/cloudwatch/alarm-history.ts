import type { Alarm, AlarmTransition } from './alarms.ts';
import { longTime } from './metric-alarm.ts';

export interface HistoryItem {
  readonly alarm: Alarm;
  /** Monitoring time, epoch milliseconds. */
  readonly time: number;
  readonly type: 'StateUpdate' | 'Action';
  readonly summary: string;
  /** JSON text. */
  readonly data: string;
}

/** CloudWatch keeps 30 days; here the newest of all alarms together. */
const maxItems = 5_000;

/** What became of the alarms since the start. */
export class AlarmHistory {
  readonly #items: HistoryItem[] = [];

  /** Oldest first. */
  get items(): readonly HistoryItem[] {
    return this.#items;
  }

  changed({ alarm, previous, current }: AlarmTransition): void {
    if (previous.state === current.state) return;
    const side = ({ state, reason, reasonData }: AlarmTransition['current']) => ({
      stateValue: state,
      stateReason: reason,
      ...(reasonData && { stateReasonData: reasonData }),
    });
    this.#add({
      alarm,
      time: current.updatedAt,
      type: 'StateUpdate',
      summary: `Alarm updated from ${previous.state} to ${current.state}`,
      data: JSON.stringify({ version: '1.0', oldState: side(previous), newState: side(current) }),
    });
  }

  /** @param time monitoring time, epoch milliseconds */
  acted(alarm: Alarm, time: number, summary: string): void {
    this.#add({ alarm, time, type: 'Action', summary, data: JSON.stringify({ publishedTime: longTime(time) }) });
  }

  #add(item: HistoryItem): void {
    this.#items.push(item);
    if (this.#items.length > maxItems) this.#items.splice(0, this.#items.length - maxItems);
  }
}
