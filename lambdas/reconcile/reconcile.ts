import { createHash } from 'node:crypto';
import { type Incident, pollsToBelieve, undoOrder } from '../shared/incidents.ts';

/** An alarm as CloudWatch has it. */
export interface AlarmState {
  readonly name: string;
  readonly state: 'OK' | 'ALARM' | 'INSUFFICIENT_DATA';
  readonly reason: string;
  /** ISO 8601, when it became that. */
  readonly since: string;
  readonly periodSeconds: number;
}

/** What is open for an alarm. */
export interface OpenIncident {
  readonly alarm: string;
  readonly incident: string;
  readonly owner: string;
  /** Absent where its record is gone. */
  readonly record: Incident | undefined;
}

export interface ReconcileDependencies {
  /** Of the runbook, and of recovery. */
  readonly alarms: () => Promise<readonly AlarmState[]>;
  readonly isMuted: (alarm: string) => Promise<boolean>;
  readonly open: () => Promise<readonly OpenIncident[]>;
  readonly isRunning: (executionArn: string) => Promise<boolean>;
  /** Alarms for which a responder runs now. Asked only where the store cannot tell it. */
  readonly answered: () => Promise<ReadonlySet<string>>;
  /** Starts the responder as the rule does; a name that was used does nothing. */
  readonly respond: (alarm: AlarmState, name: string) => Promise<void>;
  readonly close: (closing: Closing, name: string) => Promise<void>;
  /** For how many runs all was well, on the incident. */
  readonly setQuiet: (incident: string, quiet: number) => Promise<void>;
  readonly freezeBaseline: (frozen: boolean) => Promise<void>;
  readonly recoveryAlarms: readonly string[];
  /** The clock's time; it only tells tries apart. */
  readonly now: () => number;
  readonly failed: (message: string, error: Error) => void;
}

/** What the closure is started with. */
export interface Closing {
  readonly id: string;
  readonly alarm: string;
  readonly ending: 'recovered' | 'stopped';
  readonly says: string;
  readonly topic: string;
  readonly undo: readonly {
    readonly key: string;
    readonly playbook: string;
    readonly machine: string;
    readonly change: unknown;
  }[];
}

/** How often a closure that failed is tried again, in runs. */
const closureAgain = 10;
const minuteMs = 60_000;
const stopAgainMs = 10 * minuteMs;

/**
 * Brings together what is in ALARM and what is worked on: events can be missed, executions can end before their work is done,
 * and what people took over is closed here.
 * @throws AggregateError with what failed, after all that could be done was done
 */
export async function reconcile(dependencies: ReconcileDependencies): Promise<void> {
  const { alarms, open, failed } = dependencies;
  const failures: Error[] = [];
  const attempt = async (what: string, work: () => Promise<void>) => {
    try {
      await work();
    } catch (error) {
      failed(what, error as Error);
      failures.push(error as Error);
    }
  };
  const states = new Map((await alarms()).map(alarm => [alarm.name, alarm]));
  const incidents = await open().catch((error: Error) => {
    failed('open incidents cannot be read', error);
    failures.push(error);
    return undefined;
  });
  const firing = [...states.values()].filter(
    ({ name, state }) => state === 'ALARM' && !dependencies.recoveryAlarms.includes(name),
  );
  if (!incidents) await attempt('responders cannot be started', () => startWithoutStore(firing, dependencies));
  else {
    const byAlarm = new Map(incidents.map(incident => [incident.alarm, incident]));
    for (const alarm of firing)
      await attempt(alarm.name, () => ensureResponder(alarm, byAlarm.get(alarm.name), states, dependencies));
    for (const incident of incidents) await attempt(incident.incident, () => watch(incident, states, dependencies));
    await attempt('the baseline', () =>
      // Only while the automation works: incidents that people work on can stay for days, and the baseline must not.
      dependencies.freezeBaseline(incidents.some(({ record }) => record?.status === 'open')),
    );
  }
  if (failures.length > 0) throw new AggregateError(failures, failures.map(({ message }) => message).join('; '));
}

/** A name is used once in 90 days, so a run of this more or less changes nothing ("StartExecution"). */
const executionName = (...parts: readonly (string | number)[]): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 40);

async function startWithoutStore(firing: readonly AlarmState[], dependencies: ReconcileDependencies): Promise<void> {
  if (firing.length === 0) return;
  const answered = await dependencies.answered();
  for (const alarm of firing) {
    if (answered.has(alarm.name) || (await dependencies.isMuted(alarm.name))) continue;
    await dependencies.respond(alarm, executionName(alarm.name, alarm.since));
  }
}

async function ensureResponder(
  alarm: AlarmState,
  open: OpenIncident | undefined,
  states: ReadonlyMap<string, AlarmState>,
  dependencies: ReconcileDependencies,
): Promise<void> {
  const { isMuted, isRunning, respond } = dependencies;
  if (open) {
    const status = open.record?.status ?? 'open';
    if (status === 'escalated' || status === 'stopped') return;
    if (status === 'open' && (await isRunning(open.owner))) return;
    const over = status === 'superseded' ? [...(open.record?.supersededBy ?? [])] : [];
    if (over.some(name => states.get(name)?.state === 'ALARM')) return;
  }
  if (await isMuted(alarm.name)) return;
  if (open) return respond(alarm, executionName(alarm.name, alarm.since, open.owner));
  // It has only begun; or it could not record its incident, and ends: then another one does, a minute later.
  if ((await dependencies.answered()).has(alarm.name)) return;
  await respond(alarm, executionName(alarm.name, alarm.since, Math.floor(dependencies.now() / minuteMs)));
}

/** Closes what nobody's automation works on when all is well again, and what its responder left behind. */
async function watch(
  { incident, alarm, owner, record }: OpenIncident,
  states: ReadonlyMap<string, AlarmState>,
  dependencies: ReconcileDependencies,
): Promise<void> {
  const { recoveryAlarms, isRunning, setQuiet, close } = dependencies;
  if (!record || record.status === 'closed') return;
  if (record.status === 'open' && (await isRunning(owner))) return;
  const closing = {
    ...{ id: incident, alarm, topic: record.topic ?? '' },
    undo: undoOrder(record).map(({ change, ...pending }) => ({ ...pending, change: JSON.parse(change) })),
  };
  if (record.stop && record.status !== 'stopped') {
    const says = `stopped by ${record.stop.by}`;
    const again = Math.floor(dependencies.now() / stopAgainMs);
    await close({ ...closing, ending: 'stopped', says }, executionName(incident, 'stop', again));
    return;
  }
  const well = [alarm, ...recoveryAlarms].every(name => states.get(name)?.state === 'OK');
  const quiet = well ? record.quiet + 1 : 0;
  if (quiet !== record.quiet) await setQuiet(incident, quiet);
  const enough = pollsToBelieve(states.get(alarm)?.periodSeconds ?? 60);
  if (quiet < enough || (quiet - enough) % closureAgain !== 0) return;
  const says = 'the alarm and every recovery alarm are OK';
  await close({ ...closing, ending: 'recovered', says }, executionName(incident, 'close', quiet));
}
