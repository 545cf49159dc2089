import type { Resource } from '../assembly/resource.ts';
import { declared, propertyError } from '../assembly/resource-properties.ts';
import { alarmsOf, holds } from './alarm-rule.ts';
import { type CompositeAlarm, inOrder, readCompositeAlarm } from './composite-alarm.ts';
import { alarmProperties, anomalyDetectorProperties, compositeAlarmProperties } from './declarations.ts';
import type { AlarmState } from './evaluation.ts';
import { longTime, type MetricAlarm, readMetricAlarm } from './metric-alarm.ts';
import { floor, type MetricStore } from './metric-store.ts';
import { type MuteRule, readMuteRules } from './mute-rules.ts';
import type { MuteWindow } from './mute-schedule.ts';

export type Alarm = MetricAlarm | CompositeAlarm;

/** Why a composite alarm keeps its actions back. */
export type SuppressedBy = 'Alarm' | 'WaitPeriod' | 'ExtensionPeriod';

export interface AlarmStatus {
  readonly state: AlarmState;
  readonly reason: string;
  readonly reasonData: Readonly<Record<string, unknown>> | undefined;
  /** Monitoring time, epoch milliseconds. */
  readonly updatedAt: number;
  /** When the state became what it is. */
  readonly transitionedAt: number;
  readonly suppressedBy: SuppressedBy | undefined;
}

export interface Mute extends MuteWindow {
  readonly rule: MuteRule;
}

/** A change that CloudWatch tells EventBridge: of the state, or of what keeps a composite alarm's actions back. */
export interface AlarmTransition {
  readonly alarm: Alarm;
  readonly previous: AlarmStatus;
  readonly current: AlarmStatus;
  /** The rule and window that mute the alarm at this time. */
  readonly mute: Mute | undefined;
}

/** Actions that are due: of a transition, or of one whose actions were kept back until now. */
export interface AlarmAction {
  readonly alarm: Alarm;
  /** The state before, as the notification tells it. */
  readonly previousState: AlarmState;
  readonly current: AlarmStatus;
  /** ARNs. */
  readonly targets: readonly string[];
}

export interface Evaluation {
  readonly transitions: readonly AlarmTransition[];
  readonly actions: readonly AlarmAction[];
}

interface Tracked {
  status: AlarmStatus;
  /** The state whose actions were carried out last, or that needs none. */
  actedOn: AlarmState;
  /** When a wait or an extension ends, monitoring time. */
  suppressedUntil: number;
  evaluatedAt: number;
}

/** How often a time can change anything: the interval of alarms with periods under a minute. */
const tickMs = 10_000;
const minuteMs = 60_000;

/**
 * The alarms of a template. It knows no clock and does nothing by itself: each `evaluateAt` looks at the metrics as they
 * are, and tells what changed and which actions are due. States are in memory, all INSUFFICIENT_DATA at the start.
 */
export class Alarms {
  /** In the order of evaluation: metric alarms, then composite ones, each after those that it depends on. */
  readonly all: readonly Alarm[];
  readonly muteRules: readonly MuteRule[];
  readonly #tracked: ReadonlyMap<string, Tracked>;

  /**
   * @param resources all of the template; those of other types are left alone
   * @param startedAt monitoring time, epoch milliseconds
   * @throws TemplateError that names stack, logical id and what CloudWatch would refuse or what cannot run here
   */
  constructor(resources: readonly Resource[], { metrics, startedAt }: { metrics: MetricStore; startedAt: number }) {
    declared(resources, 'AWS::CloudWatch::AnomalyDetector', anomalyDetectorProperties);
    const simple = declared(resources, 'AWS::CloudWatch::Alarm', alarmProperties);
    const composite = declared(resources, 'AWS::CloudWatch::CompositeAlarm', compositeAlarmProperties);
    const names = new Set<string>();
    for (const { resource } of [...simple, ...composite]) {
      if (names.has(resource.physicalId)) throw propertyError(resource, 'AlarmName', 'another alarm has this name');
      names.add(resource.physicalId);
    }
    this.all = [
      ...simple.map(({ resource, properties }) => readMetricAlarm(resource, properties, metrics)),
      ...inOrder(composite.map(({ resource, properties }) => readCompositeAlarm(resource, properties, names))),
    ];
    this.muteRules = readMuteRules(resources, names);
    const status: AlarmStatus = {
      state: 'INSUFFICIENT_DATA',
      reason: 'Unchecked: Initial alarm creation',
      reasonData: undefined,
      updatedAt: startedAt,
      transitionedAt: startedAt,
      suppressedBy: undefined,
    };
    this.#tracked = new Map(
      this.all.map(({ name }): [string, Tracked] => [
        name,
        {
          status,
          actedOn: status.state,
          suppressedUntil: 0,
          evaluatedAt: Number.NEGATIVE_INFINITY,
        },
      ]),
    );
  }

  /** How often `evaluateAt` has something to do, milliseconds of monitoring time. */
  get intervalMs(): number {
    const isQuick = this.all.some(alarm => alarm.kind === 'metric' && alarm.intervalMs === tickMs);
    return isQuick ? tickMs : minuteMs;
  }

  /** @throws Error where the template has no such alarm */
  status(name: string): AlarmStatus {
    return this.#of(name).status;
  }

  /** The rule that mutes an alarm at a time, and until when; of several, the one that mutes longest. */
  muteAt(name: string, time: number): Mute | undefined {
    let longest: Mute | undefined;
    for (const rule of this.muteRules) {
      const window = rule.alarms.has(name) ? rule.windowAt(time) : undefined;
      if (window && (!longest || window.end > longest.end)) longest = { ...window, rule };
    }
    return longest;
  }

  /**
   * Evaluates every alarm that is due, with the data points up to the minute (10 s) that `time` lies in.
   * @param time monitoring time, epoch milliseconds; must not go back
   */
  evaluateAt(time: number): Evaluation {
    const transitions: AlarmTransition[] = [];
    const actions: AlarmAction[] = [];
    for (const alarm of this.all) {
      const tracked = this.#of(alarm.name);
      const before = tracked.status;
      if (alarm.kind === 'metric') this.#evaluateMetric(alarm, tracked, time);
      else this.#evaluateComposite(alarm, tracked, time);
      const current = tracked.status;
      if (current.state !== before.state || current.suppressedBy !== before.suppressedBy)
        transitions.push({ alarm, previous: before, current, mute: this.muteAt(alarm.name, time) });
      const due = this.#dueAction(alarm, tracked, time);
      if (due) actions.push(due);
    }
    return { transitions, actions };
  }

  #of(name: string): Tracked {
    const tracked = this.#tracked.get(name);
    if (!tracked) throw new Error(`there is no alarm ${name}`);
    return tracked;
  }

  #evaluateMetric(alarm: MetricAlarm, tracked: Tracked, time: number): void {
    const slot = floor(time, alarm.intervalMs);
    if (slot <= tracked.evaluatedAt) return;
    tracked.evaluatedAt = slot;
    const { state, explain } = alarm.evaluate(slot);
    const { status } = tracked;
    // CloudWatch keeps the reason of the transition.
    if (state === undefined || state === status.state) return;
    tracked.status = { ...status, state, ...explain(), updatedAt: time, transitionedAt: time };
  }

  #evaluateComposite(alarm: CompositeAlarm, tracked: Tracked, time: number): void {
    const stateOf = (name: string) => this.#of(name).status.state;
    const state: AlarmState = holds(alarm.rule, stateOf) ? 'ALARM' : 'OK';
    if (state !== tracked.status.state) {
      const { reason, reasonData } = this.#compositeReason(alarm, state, time);
      tracked.status = { ...tracked.status, state, reason, reasonData, updatedAt: time, transitionedAt: time };
      this.#suppress(alarm, tracked, time);
    } else if (tracked.status.suppressedBy) this.#suppressOn(alarm, tracked, time);
  }

  /** The alarms that changed last are what made it change. */
  #compositeReason(alarm: CompositeAlarm, state: AlarmState, time: number) {
    const children = [...alarmsOf(alarm.rule)].map(name => ({ name, tracked: this.#of(name) }));
    const latest = Math.max(...children.map(({ tracked }) => tracked.status.transitionedAt));
    const triggering = children.filter(({ tracked }) => tracked.status.transitionedAt === latest);
    const arnOf = (name: string) => this.all.find(each => each.name === name)?.arn ?? name;
    const told = triggering.map(
      ({ name, tracked }) => `${arnOf(name)} transitioned to ${tracked.status.state} at ${dayTime(latest)}`,
    );
    return {
      reason: told.length > 0 ? told.join(', ') : `The alarm rule evaluates to ${state} at ${dayTime(time)}`,
      reasonData: {
        triggeringAlarms: triggering.map(({ name, tracked }) => ({
          arn: arnOf(name),
          state: { value: tracked.status.state, timestamp: longTime(tracked.status.transitionedAt) },
        })),
      },
    };
  }

  /** After a change of state: does the suppressor keep the actions back, or may it still? */
  #suppress(alarm: CompositeAlarm, tracked: Tracked, time: number): void {
    const { suppressor } = alarm;
    if (!suppressor) return;
    if (this.#of(suppressor.alarm).status.state === 'ALARM') this.#keepBack(tracked, 'Alarm', time);
    else if (tracked.status.suppressedBy === 'ExtensionPeriod' && time < tracked.suppressedUntil) return;
    else if (suppressor.waitMs > 0) {
      this.#keepBack(tracked, 'WaitPeriod', time);
      tracked.suppressedUntil = time + suppressor.waitMs;
    } else this.#keepBack(tracked, undefined, time);
  }

  /** While actions are kept back: for how long still? */
  #suppressOn(alarm: CompositeAlarm, tracked: Tracked, time: number): void {
    const { suppressor } = alarm;
    const by = tracked.status.suppressedBy;
    if (!suppressor) return;
    if (this.#of(suppressor.alarm).status.state === 'ALARM') {
      if (by !== 'Alarm') this.#keepBack(tracked, 'Alarm', time);
    } else if (by === 'Alarm' && suppressor.extensionMs > 0) {
      this.#keepBack(tracked, 'ExtensionPeriod', time);
      tracked.suppressedUntil = time + suppressor.extensionMs;
    } else if (by === 'Alarm' || time >= tracked.suppressedUntil) this.#keepBack(tracked, undefined, time);
  }

  #keepBack(tracked: Tracked, suppressedBy: SuppressedBy | undefined, time: number): void {
    tracked.status = { ...tracked.status, suppressedBy, updatedAt: time };
  }

  /** The actions of the state, if they were not carried out, and nothing keeps them back any more. */
  #dueAction(alarm: Alarm, tracked: Tracked, time: number): AlarmAction | undefined {
    const { status, actedOn } = tracked;
    if (status.state === actedOn || status.suppressedBy) return undefined;
    // Back in the state before while muted: there is nothing to make up for ("How alarm mute rules work").
    if (this.muteAt(alarm.name, time)) return undefined;
    tracked.actedOn = status.state;
    const { ActionsEnabled, AlarmActions, OKActions, InsufficientDataActions } = alarm.properties;
    const byState = { ALARM: AlarmActions, OK: OKActions, INSUFFICIENT_DATA: InsufficientDataActions };
    const targets = byState[status.state];
    if (!ActionsEnabled || targets.length === 0) return undefined;
    return { alarm, previousState: actedOn, current: status, targets };
  }
}

/** `Sunday 22 November, 2026 19:47:00 UTC`, as in CloudWatch's reasons. */
function dayTime(ms: number): string {
  const date = new Date(ms);
  const [weekday, month] = (['weekday', 'month'] as const).map(part =>
    date.toLocaleDateString('en-US', { timeZone: 'UTC', [part]: 'long' }),
  );
  const day = String(date.getUTCDate()).padStart(2, '0');
  return `${weekday} ${day} ${month}, ${date.getUTCFullYear()} ${date.toISOString().slice(11, 19)} UTC`;
}
