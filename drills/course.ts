import { setTimeout as sleep } from 'node:timers/promises';
import { CloudWatchClient, DescribeAlarmHistoryCommand, DescribeAlarmsCommand } from '@aws-sdk/client-cloudwatch';
import { listIncidents } from '../bin/incident/incidents.ts';
import type { Target } from '../bin/incident/target.ts';
import { type Incident, type TimelineEntry, undoOrder } from '../lambdas/shared/incidents.ts';
import type { Told } from './environment.ts';
import type { Stage } from './stage.ts';

/** Something that happened. */
export interface Happening {
  /** Monitoring time, epoch milliseconds. */
  readonly at: number;
  readonly kind: 'drill' | 'alarm' | 'told' | TimelineEntry['kind'];
  readonly text: string;
}

/** A page about the alarm, or a notice of it to a channel. */
export interface Sent extends Told {
  /** Monitoring time, epoch milliseconds. */
  readonly at: number;
}

export interface CourseOptions {
  readonly stage: Stage;
  /** Where its incidents are. */
  readonly target: Target;
  /** Incidents of before. */
  readonly before: readonly Incident[];
  /** Full name of the alarm. */
  readonly alarm: string;
  readonly told: ReadonlyMap<string, Told>;
  readonly onHappening: (happening: Happening) => void;
}

const pollMs = 1_000;

const cloudWatchOf = ({ awsUrl, region, developer }: Stage): CloudWatchClient =>
  new CloudWatchClient({ endpoint: awsUrl, region, credentials: developer });

/** What is in ALARM, by full name; criteria of recovery that are not met are no alarms of their own. */
export async function firingAlarms(stage: Stage): Promise<readonly string[]> {
  const client = cloudWatchOf(stage);
  const { MetricAlarms = [] } = await client.send(new DescribeAlarmsCommand({ StateValue: 'ALARM' }));
  client.destroy();
  return MetricAlarms.flatMap(({ AlarmName = '' }) => (AlarmName.startsWith('recovery-') ? [] : [AlarmName]));
}

/** What an outsider sees of a drill: through CloudWatch's API, the incidents that `npm run incident` shows, and what people are sent. */
export class Course {
  /** About this alarm; others may fire as well. */
  readonly pages: Sent[] = [];
  /** When the alarm first fired; monitoring time. */
  firedAt: number | undefined;
  /** How often it fired. */
  firings = 0;
  /** Changes of the alarm since, oldest first; monitoring time. */
  readonly changes: { readonly at: number; readonly isOk: boolean }[] = [];
  incident: Incident | undefined;
  readonly target: Target;
  readonly #options: CourseOptions;
  readonly #cloudwatch: CloudWatchClient;
  readonly #end = new AbortController();
  readonly #running: Promise<void>;
  /** Why it follows no more; told to whoever waits for something. */
  #failure: { readonly error: unknown } | undefined;
  readonly #prefix: string;
  readonly #isAboutAlarm: RegExp;
  readonly #written = new Map<string, number>();
  readonly #seenTransitions = new Set<string>();
  readonly #before: ReadonlySet<string>;
  #historyFrom: Date;
  #seenNotifications = 0;

  /** Follows from now on. */
  constructor(options: CourseOptions) {
    const { stage, target } = options;
    this.#options = options;
    this.target = target;
    this.#isAboutAlarm = new RegExp(`(^|[^\\w-])${options.alarm}($|[^\\w-])`);
    this.#prefix = `${target.service}-${target.env}-`;
    this.#cloudwatch = cloudWatchOf(stage);
    this.#before = new Set(options.before.map(({ record }) => record));
    this.#historyFrom = new Date(stage.now());
    this.#seenNotifications = stage.notifications.length;
    this.#running = this.#follow().catch((error: unknown) => {
      this.#failure = { error };
    });
  }

  /**
   * Resolves once it holds, or after so many minutes of monitoring time.
   * @returns whether it holds
   * @throws what ended the following, such as somebody being told who is in no table
   */
  async until(holds: (course: this) => boolean, minutes: number): Promise<boolean> {
    const { stage } = this.#options;
    const until = stage.now() + minutes * 60_000;
    while (!holds(this)) {
      if (this.#failure) throw this.#failure.error;
      if (stage.now() >= until) return false;
      await sleep(100);
    }
    return true;
  }

  /** Changes that are still to be given back. */
  get pendingUndo(): readonly string[] {
    return this.incident ? undoOrder(this.incident).map(({ playbook }) => playbook) : [];
  }

  async end(): Promise<void> {
    this.#end.abort();
    await this.#running;
    this.#cloudwatch.destroy();
    this.target.store.destroy();
    this.target.states.destroy();
  }

  async #follow(): Promise<void> {
    while (!this.#end.signal.aborted) {
      this.#readPages();
      await this.#readAlarms();
      await this.#readIncidents();
      await sleep(pollMs);
    }
  }

  #readPages(): void {
    const { stage, told, onHappening } = this.#options;
    for (const { at, address, subject } of stage.notifications.slice(this.#seenNotifications)) {
      const somebody = told.get(address);
      if (!somebody) throw new Error(`somebody was told who is in no table: ${address}`);
      if (this.#isAboutAlarm.test(subject)) this.pages.push({ at, ...somebody });
      onHappening({ at, kind: 'told', text: `${somebody.contact} by ${somebody.channel}: ${subject}` });
    }
    this.#seenNotifications = stage.notifications.length;
  }

  async #readAlarms(): Promise<void> {
    const { stage, alarm, onHappening } = this.#options;
    const { AlarmHistoryItems = [] } = await this.#cloudwatch.send(
      new DescribeAlarmHistoryCommand({
        HistoryItemType: 'StateUpdate',
        AlarmTypes: ['MetricAlarm'],
        StartDate: this.#historyFrom,
        ScanBy: 'TimestampAscending',
      }),
    );
    for (const { AlarmName = '', Timestamp = new Date(stage.now()), HistorySummary = '' } of AlarmHistoryItems) {
      const key = `${AlarmName} ${Timestamp.getTime()}`;
      if (this.#seenTransitions.has(key)) continue;
      this.#seenTransitions.add(key);
      const at = Timestamp.getTime();
      if (AlarmName === alarm) this.changes.push({ at, isOk: / to OK/.test(HistorySummary) });
      if (AlarmName === alarm && / to ALARM/.test(HistorySummary)) {
        this.firedAt ??= at;
        this.firings += 1;
      }
      if (AlarmName.startsWith(this.#prefix) && !/from INSUFFICIENT_DATA to OK/.test(HistorySummary))
        onHappening({
          at,
          kind: 'alarm',
          text: `${AlarmName.slice(this.#prefix.length)}: ${HistorySummary.replace(/^Alarm updated from /, '').replace(' to ', ' → ')}`,
        });
      this.#historyFrom = Timestamp;
    }
  }

  async #readIncidents(): Promise<void> {
    const { alarm, onHappening } = this.#options;
    // With the store down, as a drill may have it, there is nothing to read.
    const all = await listIncidents(this.target).catch(() => []);
    const incidents = all.filter(({ record }) => !this.#before.has(record));
    for (const incident of incidents.toReversed()) {
      if (incident.alarm === alarm) this.incident ??= incident;
      if (incident.record === this.incident?.record) this.incident = incident;
      const written = this.#written.get(incident.record) ?? 0;
      const name = incident.alarm.slice(this.#prefix.length);
      for (const { at, kind, text } of incident.timeline.slice(written))
        onHappening({ at: Date.parse(at), kind, text: `${name}: ${text}` });
      this.#written.set(incident.record, incident.timeline.length);
    }
  }
}
