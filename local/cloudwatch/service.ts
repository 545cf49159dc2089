import type { Place, Resource } from '../assembly/resource.ts';
import {
  type Authorization,
  type AwsCall,
  AwsError,
  type AwsReply,
  type AwsService,
  type Log,
  type Principal,
} from '../aws/service.ts';
import { type Clock, systemClock } from '../clock.ts';
import type { MonitoringClock } from '../monitoring-clock.ts';
import type { Sns } from '../sns/service.ts';
import type { ServiceEvent } from '../stepfunctions/event-bus.ts';
import { Aggregate } from './aggregate.ts';
import { AlarmActions } from './alarm-actions.ts';
import { stateChangeEvent } from './alarm-event.ts';
import { AlarmHistory } from './alarm-history.ts';
import { Alarms, type AlarmTransition, type Evaluation } from './alarms.ts';
import { type Dashboard, readDashboards } from './dashboards.ts';
import { describeAlarms, describeHistory } from './descriptions.ts';
import { EmbeddedMetricsError, embeddedMetrics } from './embedded-metrics.ts';
import { alarmArn, dashboardArn } from './identities.ts';
import type { MetricSink } from './metric.ts';
import { getMetricData, getMetricStatistics, listMetrics } from './metric-data.ts';
import { dimensionRecord } from './metric-queries.ts';
import { type MetricDatum, MetricStore } from './metric-store.ts';
import { muteStatus } from './mute-rules.ts';
import { type ActionName, isActionName, parseRequest, type Request } from './requests.ts';
import { checkTimestamp } from './time-limits.ts';

export interface CloudWatchOptions {
  /** All resources of the template; those of other types are left alone. */
  readonly resources: readonly Resource[];
  readonly place: Place;
  readonly authorization: Authorization;
  readonly log: Log;
  readonly clock: MonitoringClock;
  /** The real time, which callers and functions have. */
  readonly realClock?: Clock;
}

/** What alarms need of other services, which start later and publish metrics themselves. */
export interface AlarmOutlets {
  /** For alarm actions. */
  readonly sns: Pick<Sns, 'publish'>;
  /** Takes each change of an alarm's state, as EventBridge does. */
  readonly onStateChange: (event: ServiceEvent) => void;
}

export interface CloudWatch extends AwsService, MetricSink {
  readonly alarms: Alarms;
  readonly metrics: MetricStore;
  /**
   * Takes a line of a function's log; metrics in embedded metric format are put, other lines are left alone.
   * @param source the function's name, for what is told about a line that is wrong
   */
  takeLogLine(source: string, line: string): void;
  /** Asks for figures once a minute of monitoring time, at its end, as AWS's services publish theirs. */
  everyMinute(publish: () => void): void;
  /**
   * Starts evaluating. Before, metrics are taken already.
   * @param delayMs monitoring time until the alarms exist, since the stack that declares them is deployed after what they watch
   */
  start(outlets: AlarmOutlets, delayMs?: number): void;
  /** Stops evaluating and waits for alarm actions under way. */
  close(): Promise<void>;
}

/** Data of a minute that is over may still be on its way: the log of a function that just ended. */
const settleMs = { monitoring: 2_000, real: 50 };

const minuteMs = 60_000;

/**
 * CloudWatch: metrics of functions and services, alarms, mute rules and dashboards of the template. Data points and
 * states are in memory and are gone at the next start, as on AWS only with their alarm.
 * @throws TemplateError that names stack, logical id and what CloudWatch would refuse or what cannot run here
 */
export function createCloudWatch(options: CloudWatchOptions): CloudWatch {
  return new CloudWatchService(options);
}

const json = (body: unknown): AwsReply => ({
  status: 200,
  headers: { 'content-type': 'application/x-amz-json-1.0' },
  body: JSON.stringify(body),
});

class CloudWatchService implements CloudWatch {
  readonly metrics = new MetricStore();
  readonly alarms: Alarms;
  readonly #options: CloudWatchOptions;
  readonly #clock: MonitoringClock;
  readonly #realClock: Clock;
  readonly #dashboards: readonly Dashboard[];
  readonly #history: AlarmHistory;
  readonly #publishers: (() => void)[] = [];
  readonly #configuredAt: number;
  #alarmsFrom = 0;
  #actions: AlarmActions | undefined;
  #outlets: AlarmOutlets | undefined;
  #cancel = () => {};

  constructor(options: CloudWatchOptions) {
    const { resources, place, clock, realClock = systemClock } = options;
    this.#options = options;
    this.#clock = clock;
    this.#realClock = realClock;
    this.alarms = new Alarms(resources, { metrics: this.metrics, startedAt: clock.now() });
    this.#dashboards = readDashboards(resources, place);
    this.#history = new AlarmHistory();
    this.#configuredAt = clock.now();
  }

  put(...[namespace, name, dimensions, value, unit]: Parameters<MetricSink['put']>): void {
    const samples = Aggregate.of(value);
    this.metrics.put({ namespace, name, dimensions, unit, samples, timestamp: this.#clock.now() });
  }

  takeLogLine(source: string, line: string): void {
    try {
      for (const datum of embeddedMetrics(line, this.#realClock.now())) this.#take(datum);
    } catch (error) {
      if (!(error instanceof EmbeddedMetricsError)) throw error;
      // CloudWatch counts these as EMFValidationErrors, where nobody looks.
      this.#options.log('warn', 'cloudwatch', `metrics in a log line are not taken: ${error.message}`, { source });
    }
  }

  everyMinute(publish: () => void): void {
    this.#publishers.push(publish);
  }

  start(outlets: AlarmOutlets, delayMs = 0): void {
    this.#alarmsFrom = this.#clock.now() + delayMs;
    const { place, log } = this.#options;
    this.#outlets = outlets;
    this.#actions = new AlarmActions({ sns: outlets.sns, place, log, history: this.#history });
    this.#wait();
  }

  async close(): Promise<void> {
    this.#cancel();
    this.#cancel = () => {};
    this.#outlets = undefined;
    await this.#actions?.close();
  }

  /** Puts a data point whose time is a real one. */
  #take(datum: MetricDatum): void {
    this.metrics.put({ ...datum, timestamp: this.#clock.at(datum.timestamp) });
  }

  /** Until the next time that something is due; what was missed, as while the machine slept, is not made up for. */
  #wait(): void {
    const { intervalMs } = this.alarms;
    const now = this.#clock.now();
    const due = (Math.floor(now / intervalMs) + 1) * intervalMs;
    // Figures of the minute belong into it.
    this.#cancel = this.#clock.schedule(due - 1 - now, () => {
      if (due % minuteMs === 0) for (const publish of this.#publishers) publish();
      const settle = Math.max(settleMs.monitoring, settleMs.real * this.#clock.scale);
      this.#cancel = this.#clock.schedule(settle, () => {
        this.#evaluate();
        this.#wait();
      });
    });
  }

  #evaluate(): void {
    const time = this.#clock.now();
    this.metrics.compact(time);
    if (time >= this.#alarmsFrom) this.#tell(this.alarms.evaluateAt(time));
  }

  #tell({ transitions, actions }: Evaluation): void {
    for (const transition of transitions) {
      this.#show(transition);
      this.#history.changed(transition);
      this.#outlets?.onStateChange(stateChangeEvent(transition));
    }
    for (const action of actions) this.#actions?.carryOut(action);
  }

  /** A line in the terminal: what changed, why, and where to read what to do. */
  #show({ alarm, previous, current, mute }: AlarmTransition): void {
    const { AlarmDescription = '' } = alarm.properties;
    const runbook = /https?:\/\/[^\s)>\]]+/.exec(AlarmDescription)?.[0];
    const change =
      previous.state === current.state
        ? `${current.state}, actions ${current.suppressedBy ? `suppressed by ${current.suppressedBy}` : 'no longer suppressed'}`
        : `${previous.state} → ${current.state}`;
    // A new alarm that is OK says nothing, and at the start there are dozens.
    const isNews = previous.state !== 'INSUFFICIENT_DATA' || current.state === 'ALARM';
    this.#options.log(
      current.state === 'ALARM' ? 'warn' : isNews ? 'info' : 'debug',
      'alarm',
      `${alarm.name}: ${change}`,
      {
        reason: current.reason,
        ...(runbook !== undefined && { runbook }),
        ...(mute && { mutedBy: mute.rule.name }),
      },
    );
  }

  async handle(call: AwsCall): Promise<AwsReply> {
    const target = String(call.headers['x-amz-target'] ?? '');
    const name = target.replace(/^GraniteServiceVersion20100801\./, '');
    if (!isActionName(name))
      throw new AwsError(
        'UnknownOperationException',
        `The local environment does not run the CloudWatch action ${name || 'of a call without x-amz-target (AWS JSON 1.0)'}.`,
      );
    return json(await this.#dispatch(name, call));
  }

  async #dispatch(name: ActionName, call: AwsCall): Promise<unknown> {
    const { principal } = call;
    switch (name) {
      case 'PutMetricData':
        return this.#putMetricData(parseRequest(name, call), principal);
      case 'GetMetricData':
        await this.#authorize(principal, name, '*');
        return getMetricData(parseRequest(name, call), this.metrics, this.#clock);
      case 'GetMetricStatistics':
        await this.#authorize(principal, name, '*');
        return getMetricStatistics(parseRequest(name, call), this.metrics, this.#clock);
      case 'ListMetrics':
        await this.#authorize(principal, name, '*');
        return listMetrics(parseRequest(name, call), this.metrics);
      case 'DescribeAlarms':
        return this.#describeAlarms(parseRequest(name, call), principal);
      case 'DescribeAlarmHistory':
        return this.#describeAlarmHistory(parseRequest(name, call), principal);
      case 'ListAlarmMuteRules':
        return this.#listAlarmMuteRules(parseRequest(name, call), principal);
      case 'GetAlarmMuteRule':
        return this.#getAlarmMuteRule(parseRequest(name, call), principal);
      case 'GetDashboard':
        return this.#getDashboard(parseRequest(name, call), principal);
      case 'ListDashboards':
        return this.#listDashboards(parseRequest(name, call), principal);
    }
  }

  async #authorize(
    principal: Principal,
    action: ActionName,
    resource: string,
    context?: Readonly<Record<string, string>>,
  ): Promise<void> {
    await this.#options.authorization.authorize({
      principal,
      action: `cloudwatch:${action}`,
      resource,
      ...(context && { context }),
    });
  }

  async #putMetricData({ Namespace, MetricData }: Request<'PutMetricData'>, principal: Principal) {
    await this.#authorize(principal, 'PutMetricData', '*', { 'cloudwatch:namespace': Namespace });
    if (Namespace.startsWith('AWS/'))
      throw new AwsError(
        'InvalidParameterValueException',
        'The value AWS/ for parameter Namespace is invalid: it is reserved for AWS services.',
      );
    const now = this.#realClock.now();
    const data = MetricData.map(datum => {
      const { MetricName, Dimensions, Timestamp = now, Value, StatisticValues, Values = [], Counts } = datum;
      const tooFar = checkTimestamp(Timestamp, now);
      if (tooFar) throw new AwsError('InvalidParameterValueException', `The parameter MetricData.Timestamp ${tooFar}.`);
      const samples = new Aggregate();
      if (Value !== undefined) samples.add(Value);
      Values.forEach((value, index) => {
        samples.add(value, Counts?.[index] ?? 1);
      });
      if (StatisticValues) {
        const { SampleCount, Sum, Minimum, Maximum } = StatisticValues;
        samples.addSet({ sampleCount: SampleCount, sum: Sum, minimum: Minimum, maximum: Maximum });
      }
      return {
        namespace: Namespace,
        name: MetricName,
        dimensions: dimensionRecord(Dimensions),
        timestamp: Timestamp,
        unit: datum.Unit,
        resolution: datum.StorageResolution,
        samples,
      };
    });
    for (const datum of data) this.#take(datum);
    return {};
  }

  async #describeAlarms(request: Request<'DescribeAlarms'>, principal: Principal) {
    const { place } = this.#options;
    await this.#authorize(principal, 'DescribeAlarms', alarmArn('*', place));
    if (request.AlarmTypes?.includes('CompositeAlarm')) await this.#authorizeEverywhere(principal, 'DescribeAlarms');
    return describeAlarms(request, this.alarms, this.#configuredAt);
  }

  /**
   * "DescribeAlarms": for composite alarms the permission must have the scope `*`. The simulation
   * takes a question about `*` for one about anything; a statement for this region's alarms allows none of another one.
   */
  async #authorizeEverywhere(principal: Principal, action: ActionName): Promise<void> {
    const anywhere = alarmArn('*', { ...this.#options.place, region: 'every-region' });
    try {
      await this.#authorize(principal, action, anywhere);
    } catch (error) {
      if (!(error instanceof AwsError)) throw error;
      throw new AwsError(error.code, error.message.replace(anywhere, '*'), error.status);
    }
  }

  async #describeAlarmHistory(request: Request<'DescribeAlarmHistory'>, principal: Principal) {
    const { AlarmName = '*' } = request;
    await this.#authorize(principal, 'DescribeAlarmHistory', alarmArn(AlarmName, this.#options.place));
    return describeHistory(request, this.#history);
  }

  async #listAlarmMuteRules({ AlarmName, Statuses }: Request<'ListAlarmMuteRules'>, principal: Principal) {
    await this.#authorize(principal, 'ListAlarmMuteRules', '*');
    const now = this.#clock.now();
    const found = this.alarms.muteRules.filter(
      rule =>
        (AlarmName === undefined || rule.alarms.has(AlarmName)) &&
        (Statuses === undefined || Statuses.includes(muteStatus(rule, now))),
    );
    return {
      AlarmMuteRuleSummaries: found.map(rule => ({
        AlarmMuteRuleArn: rule.arn,
        Status: muteStatus(rule, now),
        MuteType: rule.recurring ? 'RECURRING' : 'ONE_TIME',
        LastUpdatedTimestamp: this.#configuredAt / 1000,
        ...(Number.isFinite(rule.expiresAt) && { ExpireDate: rule.expiresAt / 1000 }),
      })),
    };
  }

  async #getAlarmMuteRule({ AlarmMuteRuleName }: Request<'GetAlarmMuteRule'>, principal: Principal) {
    const rule = this.alarms.muteRules.find(({ name, arn }) => [name, arn].includes(AlarmMuteRuleName));
    await this.#authorize(principal, 'GetAlarmMuteRule', rule?.arn ?? '*');
    if (!rule) throw new AwsError('ResourceNotFoundException', `There is no mute rule ${AlarmMuteRuleName}.`, 404);
    const { Rule, Description, MuteTargets } = rule.resource.properties;
    return {
      Name: rule.name,
      AlarmMuteRuleArn: rule.arn,
      Description,
      Rule,
      MuteTargets,
      Status: muteStatus(rule, this.#clock.now()),
      MuteType: rule.recurring ? 'RECURRING' : 'ONE_TIME',
      LastUpdatedTimestamp: this.#configuredAt / 1000,
      ...(Number.isFinite(rule.startsAt) && { StartDate: rule.startsAt / 1000 }),
      ...(Number.isFinite(rule.expiresAt) && { ExpireDate: rule.expiresAt / 1000 }),
    };
  }

  async #getDashboard({ DashboardName }: Request<'GetDashboard'>, principal: Principal) {
    await this.#authorize(principal, 'GetDashboard', dashboardArn(DashboardName, this.#options.place));
    const found = this.#dashboards.find(({ name }) => name === DashboardName);
    if (!found) throw new AwsError('ResourceNotFound', `Dashboard ${DashboardName} does not exist`, 404);
    return { DashboardArn: found.arn, DashboardName: found.name, DashboardBody: found.body };
  }

  async #listDashboards({ DashboardNamePrefix }: Request<'ListDashboards'>, principal: Principal) {
    await this.#authorize(principal, 'ListDashboards', '*');
    const found = this.#dashboards.filter(({ name }) => name.startsWith(DashboardNamePrefix));
    return {
      DashboardEntries: found.map(({ name, arn, body }) => ({
        DashboardName: name,
        DashboardArn: arn,
        LastModified: this.#configuredAt / 1000,
        Size: Buffer.byteLength(body),
      })),
    };
  }
}
