import { Duration } from 'aws-cdk-lib';
import {
  Choice,
  Condition,
  type CustomState,
  DefinitionBody,
  Errors,
  Fail,
  Pass,
  Result,
  type State,
  StateMachine,
  Succeed,
  Wait,
  WaitTime,
} from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import { channelsAttribute } from '../observability/topics.ts';
import { seconds } from '../runbook/quantity.ts';
import type { Channel, EscalationStep, Severity } from '../runbook/runbook.ts';
import { MachinePermissions, machineArn, type PageTopics, type StoreTable } from './permissions.ts';
import { format, IncidentWrites, inAnyCase, publish, task } from './states.ts';

export interface EscalationProps {
  /** `<service>-<env>`. */
  readonly prefix: string;
  /** What people call from the repository, without what they want: `npm run incident -- --service … --env …`. */
  readonly command: string;
  /** In the order of time. */
  readonly steps: readonly EscalationStep[];
  /** Names of the alarms that stand for the steps' conditions, by the step's place. */
  readonly conditions: ReadonlyMap<number, string>;
  /** ARN of a contact's topic. */
  readonly topic: (contact: string) => string;
  /** ARNs of the topics of those who are told at once. */
  readonly bySeverity: ReadonlyMap<Severity, string>;
  readonly operations: StoreTable;
  readonly topics: PageTopics;
}

/**
 * How long a ladder stands still before it looks again. With some 16 events each time, the 25,000 of an execution's history
 * ("Step Functions service quotas") are enough for five days.
 */
export const standStill = Duration.minutes(5);

/** Told by the responder's own page at once. */
const isFirstPage = ({ afterSeconds, condition }: EscalationStep): boolean =>
  afterSeconds === 0 && condition === undefined;

/** Who is told, and what a step asks of the incident. */
interface Step extends EscalationStep {
  readonly index: number;
  readonly name: string;
}

const open = { 'S.$': "States.Format('incident#{}', $.id)" };

/** Reads of an incident what decides whether somebody is told; nothing where the store fails, and then they are told. */
const readIncident = (scope: Construct, name: string, operations: StoreTable): CustomState =>
  task(scope, name, {
    resource: 'dynamodb:getItem',
    parameters: {
      TableName: operations.tableName,
      Key: { record: open },
      ConsistentRead: true,
      ProjectionExpression: '#status, #acknowledged',
      ExpressionAttributeNames: { '#status': 'status', '#acknowledged': 'acknowledged' },
    },
    resultPath: '$.incident',
  });

const status = '$.incident.Item.status.S';
const isOver = (...over: readonly string[]) =>
  Condition.and(
    Condition.isPresent(status),
    Condition.or(Condition.stringEquals(status, 'closed'), ...over.map(each => Condition.stringEquals(status, each))),
  );

/** The store answers and has no such incident: it could not be opened, and what is still in ALARM has another one by now. */
const isUnrecorded = Condition.and(
  Condition.not(Condition.isPresent('$.incident.Item')),
  Condition.not(Condition.isPresent('$.incident.unknown')),
);
const notKnown = { parameters: { unknown: true }, resultPath: '$.incident' };

/** Topics of contacts filter by it: a contact has channels that a step does not use. */
const attributesOf = (channels: object) => ({ [channelsAttribute]: { DataType: 'String.Array', ...channels } });

/**
 * The runbook's escalation as a state machine: who is told how long after the alarm, while it is still in ALARM, its incident
 * open, and nobody has acknowledged it. Where the store cannot be asked, they are told all the same.
 *
 * Steps that repeat, or wait for a condition, are executions of `<prefix>-updates`, which go on until the incident is closed.
 */
export class Escalation extends Construct {
  readonly machine: StateMachine;
  readonly updates: StateMachine;
  private readonly props: EscalationProps;
  private readonly writes: IncidentWrites;
  private readonly over: Succeed;

  constructor(scope: Construct, id: string, props: EscalationProps) {
    super(scope, id);
    const { prefix, operations, topics } = props;
    this.props = props;
    this.writes = new IncidentWrites(operations);
    this.over = new Succeed(this, 'Nobody else is told');
    const steps = props.steps
      .map((step, index) => ({
        ...step,
        index,
        name: `${seconds.format(step.afterSeconds)}: ${step.contact} (${index + 1})`,
      }))
      .filter(step => !isFirstPage(step) || step.everySeconds !== undefined);
    const chain = this.chained(steps);
    this.machine = new StateMachine(this, 'Machine', {
      stateMachineName: `${prefix}-escalation`,
      comment: 'Who is told, and after how long; the table in the runbook',
      definitionBody: DefinitionBody.fromChainable(chain),
    });
    new MachinePermissions(this.machine)
      .table(operations, 'GetItem', 'UpdateItem')
      .describeAlarms()
      .publish(topics)
      .start(`${prefix}-updates`);
    this.updates = this.updatesMachine();
    new MachinePermissions(this.updates)
      .table(operations, 'GetItem', 'UpdateItem')
      .describeAlarms()
      .publish(topics)
      .start(`${prefix}-updates`);
  }

  /** The steps one after the other, with the time between them. */
  private chained(steps: readonly Step[]): State {
    let next: State = this.over;
    for (const [position, step] of [...steps.entries()].reverse()) {
      const before = steps[position - 1]?.afterSeconds ?? 0;
      next = this.waited(step, step.afterSeconds - before, this.step(step, next));
    }
    return next;
  }

  private waited(step: Step, forSeconds: number, next: State): State {
    if (forSeconds <= 0) return next;
    const wait = new Wait(this, `Until ${step.name}`, { time: WaitTime.duration(Duration.seconds(forSeconds)) });
    wait.next(next);
    return wait;
  }

  private step(step: Step, next: State): State {
    const { operations, conditions } = this.props;
    const repeated = step.everySeconds !== undefined || conditions.has(step.index);
    const told = repeated ? this.begin(step, next) : this.tell(step, next);
    const read = readIncident(this, `Is it open at ${step.name}`, operations);
    const acknowledged = Condition.isPresent('$.incident.Item.acknowledged');
    const silent = repeated ? isOver() : Condition.or(isOver('superseded'), acknowledged);
    const choice = new Choice(this, `Is ${step.name} told`)
      .when(Condition.or(isOver(), isUnrecorded), this.over)
      .when(silent, next);
    if (step.severities) {
      const other = Condition.not(
        Condition.or(...step.severities.map(severity => Condition.stringEquals('$.severity', severity))),
      );
      choice.when(other, next);
    }
    choice.otherwise(repeated ? told : this.whileInAlarm(step, read, told));
    const unknown = new Pass(this, `Not known at ${step.name}`, notKnown);
    unknown.next(choice);
    read.addCatch(unknown, { errors: [Errors.ALL], resultPath: '$.ignored' });
    read.next(choice);
    return read;
  }

  /**
   * Nobody further is called for what is over and only has to be believed: while the alarm is OK the ladder stands still. Where
   * CloudWatch cannot be asked, they are told.
   */
  private whileInAlarm(step: Step, again: State, told: State): State {
    const ask = task(this, `Is the alarm OK at ${step.name}`, {
      resource: 'aws-sdk:cloudwatch:describeAlarms',
      parameters: { 'AlarmNames.$': 'States.Array($.alarm)', StateValue: 'OK' },
      resultSelector: { 'names.$': '$.MetricAlarms[*].AlarmName' },
      resultPath: '$.ok',
    });
    const stand = new Wait(this, `Stand still at ${step.name}`, { time: WaitTime.duration(standStill) });
    const asked = new Choice(this, `Is it still in ALARM at ${step.name}`)
      .when(Condition.isPresent('$.ok.names[0]'), stand)
      .otherwise(told);
    ask.addCatch(told, { errors: [Errors.ALL], resultPath: '$.ignored' });
    ask.next(asked);
    stand.next(again);
    return ask;
  }

  private tell(step: Step, next: State): State {
    const topic = this.props.topic(step.contact);
    const after = seconds.format(step.afterSeconds);
    const page = publish(this, `Tell ${step.name}`, {
      topic,
      subject: format(`{}: open for over ${after}`, '$.subject'),
      message: format(
        `{}\nIt has been open for over ${after}, and nobody has acknowledged it.\nRunbook: {}\nIncident {}: ${this.props.command} ack {}\n`,
        '$.title',
        '$.link',
        '$.id',
        '$.id',
      ),
      attributes: attributesOf({ StringValue: JSON.stringify(step.channels) }),
    });
    const noted = this.writes.note(
      this,
      `Write ${step.name}`,
      'page',
      `after ${after}: ${step.contact} by ${step.channels.join(', ')}`,
      { add: { paged: { SS: this.pagedEntries(step) } } },
    );
    const failed = this.writes.note(
      this,
      `Write that ${step.name} was not told`,
      'failure',
      `${step.contact} could not be told`,
    );
    page.addCatch(failed, { errors: [Errors.ALL], resultPath: '$.unpaged' });
    page.next(noted);
    inAnyCase(noted, next);
    inAnyCase(failed, next);
    return page;
  }

  /**
   * As the incident keeps who was paged, and `Closure` reads it: a channel each, since another step may use others too, with
   * the topics that reach the contact there as well.
   */
  private pagedEntries({ contact, channels }: Step): string[] {
    const { steps, topic, bySeverity } = this.props;
    const reaches = (channel: Channel, severity: Severity) =>
      steps.some(
        step =>
          isFirstPage(step) &&
          step.contact === contact &&
          step.channels.includes(channel) &&
          (step.severities?.includes(severity) ?? true),
      );
    return channels.map(channel => {
      const atOnce = [...bySeverity].flatMap(([severity, arn]) => (reaches(channel, severity) ? [arn] : []));
      return JSON.stringify({ topic: topic(contact), channels: JSON.stringify([channel]), atOnce });
    });
  }

  private begin(step: Step, next: State): State {
    const { prefix, conditions, topic } = this.props;
    const alarm = conditions.get(step.index);
    const begin = task(this, `Begin ${step.name}`, {
      resource: 'states:startExecution',
      parameters: {
        StateMachineArn: machineArn(this, `${prefix}-updates`),
        Input: {
          ...{ 'id.$': '$.id', 'subject.$': '$.subject', 'title.$': '$.title', 'link.$': '$.link' },
          contact: step.contact,
          channels: JSON.stringify(step.channels),
          topic: topic(step.contact),
          paged: this.pagedEntries(step),
          told: 0,
          ...(alarm !== undefined && { condition: alarm }),
          ...(step.everySeconds !== undefined && { everySeconds: step.everySeconds }),
          // The responder's own page was the first one.
          waits: isFirstPage(step),
        },
      },
    });
    return inAnyCase(begin, next);
  }

  private updatesMachine(): StateMachine {
    const { prefix, operations } = this.props;
    const scope = new Construct(this, 'Updates');
    const over = new Succeed(scope, 'It is over');
    const read = readIncident(scope, 'Is it open', operations);
    const unknown = new Pass(scope, 'Not known', notKnown);
    const page = publish(scope, 'Tell', {
      topic: '$.topic',
      subject: format('{}: still open', '$.subject'),
      message: format(
        `{}\nIt is still open. Runbook: {}\nIncident {}: ${this.props.command} show {}\n`,
        '$.title',
        '$.link',
        '$.id',
        '$.id',
      ),
      attributes: attributesOf({ 'StringValue.$': '$.channels' }),
    });
    const first = this.noteIn(
      scope,
      'Write the first',
      format('{} is told, and every time again until it is over', '$.contact'),
      {
        add: { paged: { 'SS.$': '$.paged' } },
      },
    );
    const counted = this.writes.change(scope, 'Count it', { add: { updates: { N: '1' } } });
    const tally = new Pass(scope, 'One more', {
      parameters: { 'value.$': 'States.MathAdd($.told, 1)' },
      resultPath: '$.tally',
    });
    const keep = new Pass(scope, 'Keep the count', { inputPath: '$.tally.value', resultPath: '$.told' });
    const every = new Wait(scope, 'Until the next time', { time: WaitTime.secondsPath('$.everySeconds') });
    const minute = new Wait(scope, 'A minute', { time: WaitTime.duration(Duration.minutes(1)) });
    const condition = task(scope, 'Does the condition hold', {
      resource: 'aws-sdk:cloudwatch:describeAlarms',
      parameters: { 'AlarmNames.$': 'States.Array($.condition)', StateValue: 'ALARM' },
      resultSelector: { 'names.$': '$.MetricAlarms[*].AlarmName' },
      resultPath: '$.holds',
    });
    // 25,000 events of history: some 20 each time.
    const recount = new Pass(scope, 'Count from one', { result: Result.fromNumber(1), resultPath: '$.told' });
    const anew = task(scope, 'Go on in a new execution', {
      resource: 'states:startExecution',
      parameters: { StateMachineArn: machineArn(this, `${prefix}-updates`), 'Input.$': '$' },
    });
    recount.next(anew);
    anew.next(over);
    const failed = new Fail(scope, 'Nobody could be told', { error: 'NotPaged', causePath: '$.unpaged.Cause' });
    const afterwards = new Choice(scope, 'Again')
      .when(Condition.isNotPresent('$.everySeconds'), over)
      .when(Condition.numberGreaterThan('$.told', 500), recount)
      .otherwise(every);
    const isFirst = new Choice(scope, 'Is it the first time')
      .when(Condition.numberEquals('$.told', 0), first)
      .otherwise(counted);
    page.addCatch(failed, { errors: [Errors.ALL], resultPath: '$.unpaged' });
    page.next(isFirst);
    inAnyCase(first, tally);
    inAnyCase(counted, tally);
    tally.next(keep);
    keep.next(afterwards);
    const holds = new Choice(scope, 'Is it time').when(Condition.isPresent('$.holds.names[0]'), page).otherwise(minute);
    condition.addCatch(page, { errors: [Errors.ALL], resultPath: '$.ignored' });
    condition.next(holds);
    const choice = new Choice(scope, 'Go on')
      .when(Condition.or(isOver('superseded'), isUnrecorded), over)
      .when(Condition.isPresent('$.condition'), condition)
      .otherwise(page);
    unknown.next(choice);
    read.addCatch(unknown, { errors: [Errors.ALL], resultPath: '$.ignored' });
    read.next(choice);
    every.next(read);
    minute.next(read);
    const begin = new Choice(scope, 'Was it told already')
      .when(Condition.booleanEquals('$.waits', true), every)
      .otherwise(read);
    return new StateMachine(scope, 'Machine', {
      stateMachineName: `${prefix}-updates`,
      comment: 'Tells a contact again and again until the incident is closed, or once its condition holds',
      definitionBody: DefinitionBody.fromChainable(begin),
    });
  }

  private noteIn(scope: Construct, id: string, text: string, change: object): CustomState {
    return this.writes.note(scope, id, 'page', text, change);
  }
}
