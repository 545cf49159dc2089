import { Duration } from 'aws-cdk-lib';
import {
  Choice,
  Condition,
  DefinitionBody,
  Errors,
  Pass,
  StateMachine,
  Succeed,
  Wait,
  WaitTime,
} from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import { MachinePermissions, type StoreTable } from './permissions.ts';
import { pollSeconds } from './plan.ts';
import { askWhetherToStop, inAnyCase, isToStop, task } from './states.ts';

export interface VerificationProps {
  /** `<service>-<env>`. */
  readonly prefix: string;
  readonly operations: StoreTable;
}

/** What a verification came to. `alarm`: the alarm fires again, where that was asked for. */
export type Verdict = 'recovered' | 'not recovered' | 'stopped' | 'alarm';

/**
 * Waits for recovery: the firing alarm and every recovery alarm OK for three periods that began after the action.
 *
 * Input `{id, alarm, plan, endsOnAlarm}`, output `{verdict}`. An execution of its own for each try, so that the history of
 * the responder stays small (25,000 events at most).
 */
export class Verification extends Construct {
  readonly machine: StateMachine;

  constructor(scope: Construct, id: string, { prefix, operations }: VerificationProps) {
    super(scope, id);
    const verdict = (name: string, value: Verdict) =>
      new Pass(this, name, { parameters: { verdict: value } }).next(new Succeed(this, `Told: ${name}`));
    const settle = new Wait(this, 'Until a period after the action is over', {
      time: WaitTime.secondsPath('$.plan.verification.settleSeconds'),
    });
    const pause = new Wait(this, 'A period', { time: WaitTime.duration(Duration.seconds(pollSeconds)) });
    const describe = task(this, 'Which alarms are OK', {
      resource: 'aws-sdk:cloudwatch:describeAlarms',
      parameters: { 'AlarmNames.$': '$.plan.alarms', StateValue: 'OK' },
      resultSelector: { 'names.$': '$.MetricAlarms[*].AlarmName' },
      resultPath: '$.ok',
    });
    const unknown = new Pass(this, 'Not known counts as not OK', { parameters: { names: [] }, resultPath: '$.ok' });
    const count = new Pass(this, 'Count', {
      parameters: {
        'polls.$': 'States.MathAdd($.seen.polls, 1)',
        'row.$': 'States.MathAdd($.seen.row, 1)',
        'okCount.$': 'States.ArrayLength($.ok.names)',
        'alarmOk.$': 'States.ArrayContains($.ok.names, $.alarm)',
      },
      resultPath: '$.seen',
    });
    const stop = askWhetherToStop(this, 'Does a person want it to end', operations);
    const zero = new Pass(this, 'From the beginning', {
      parameters: { polls: 0, row: 0 },
      resultPath: '$.seen',
    });
    const rowOf = new Pass(this, 'Begin again', {
      parameters: { 'polls.$': '$.seen.polls', row: 0, 'alarmOk.$': '$.seen.alarmOk' },
      resultPath: '$.seen',
    });
    const recovered = verdict('Recovered', 'recovered');
    const notRecovered = verdict('Not recovered', 'not recovered');
    const stopped = verdict('A person stops it', 'stopped');
    const again = verdict('The alarm fires again', 'alarm');
    const anyLonger = new Choice(this, 'Any longer')
      .when(Condition.numberGreaterThanEqualsJsonPath('$.seen.polls', '$.plan.verification.polls'), notRecovered)
      .when(
        Condition.and(
          Condition.booleanEquals('$.seen.alarmOk', false),
          Condition.numberGreaterThanEqualsJsonPath('$.seen.polls', '$.plan.verification.pollsForAlarm'),
        ),
        notRecovered,
      )
      .otherwise(pause);
    const judged = new Choice(this, 'Is all well')
      .when(isToStop, stopped)
      .when(
        Condition.and(
          Condition.numberEqualsJsonPath('$.seen.okCount', '$.plan.alarmCount'),
          Condition.numberGreaterThanEqualsJsonPath('$.seen.row', '$.plan.verification.pollsToBelieve'),
          Condition.numberGreaterThanEqualsJsonPath('$.seen.polls', '$.plan.verification.pollsAtLeast'),
        ),
        recovered,
      )
      .when(Condition.numberEqualsJsonPath('$.seen.okCount', '$.plan.alarmCount'), anyLonger)
      .when(
        Condition.and(Condition.booleanEquals('$.seen.alarmOk', false), Condition.booleanEquals('$.endsOnAlarm', true)),
        again,
      )
      .otherwise(rowOf.next(anyLonger));
    describe.addCatch(unknown, { errors: [Errors.ALL], resultPath: '$.ignored' });
    unknown.next(count);
    inAnyCase(stop, judged);
    zero.next(settle).next(describe).next(count).next(stop);
    pause.next(describe);
    this.machine = new StateMachine(this, 'Machine', {
      stateMachineName: `${prefix}-verification`,
      comment: 'Waits until the alarm and every recovery alarm have been OK for three periods',
      definitionBody: DefinitionBody.fromChainable(zero),
    });
    new MachinePermissions(this.machine).describeAlarms().table(operations, 'GetItem');
  }
}
