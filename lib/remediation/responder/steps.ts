import {
  Choice,
  Condition,
  type CustomState,
  Errors,
  Fail,
  type Pass,
  type State,
  Succeed,
} from 'aws-cdk-lib/aws-stepfunctions';
import type { Construct } from 'constructs';
import type { PageTopics, StoreTable } from '../permissions.ts';
import type { Plan } from '../plan.ts';
import { IncidentWrites, inAnyCase, publish, type Text, task } from '../states.ts';

export interface ResponderProps {
  /** `<service>-<env>`. */
  readonly prefix: string;
  /** What people call from the repository, without what they want: `npm run incident -- --service … --env …`. */
  readonly command: string;
  /** One for each alarm of the runbook. */
  readonly plans: readonly Plan[];
  readonly operations: StoreTable;
  readonly topics: PageTopics;
  /** ARN of the function `responder`. */
  readonly functionArn: string;
  /** ARNs of the state machines it starts. */
  readonly verification: string;
  readonly escalation: string;
  readonly closure: string;
  readonly diagnose: string;
}

/** What the parts of the responder are made of. */
export class ResponderSteps {
  readonly scope: Construct;
  readonly props: ResponderProps;
  readonly writes: IncidentWrites;
  private readonly notPaged: Fail;

  constructor(scope: Construct, props: ResponderProps) {
    this.scope = scope;
    this.props = props;
    this.writes = new IncidentWrites(props.operations);
    this.notPaged = new Fail(scope, 'Somebody was not told', { error: 'NotPaged', causePath: '$.unpaged.Cause' });
  }

  ask(
    name: string,
    mode: 'open' | 'lock' | 'measure',
    payload: object,
    resultPath?: string,
    fields: readonly string[] = [],
  ): CustomState {
    return task(this.scope, name, {
      resource: 'lambda:invoke',
      parameters: {
        FunctionName: this.props.functionArn,
        Payload: { mode, ...payload, 'now.$': '$$.State.EnteredTime' },
      },
      ...(resultPath !== undefined && {
        resultSelector: Object.fromEntries(fields.map(field => [`${field}.$`, `$.Payload.${field}`])),
        resultPath,
      }),
    });
  }

  /** Goes on where nobody could be told, and remembers it: the execution fails at its end, which raises an alarm. */
  page(name: string, subject: Text, message: Text, next: State): CustomState {
    const state = publish(this.scope, name, { topic: '$.plan.topic', subject, message });
    state.addCatch(next, { errors: [Errors.ALL], resultPath: '$.unpaged' });
    state.next(next);
    return state;
  }

  finish(name: string): Choice {
    return new Choice(this.scope, `${name}?`, { comment: 'Fails where a page did not go out' })
      .when(Condition.isPresent('$.unpaged'), this.notPaged)
      .otherwise(new Succeed(this.scope, name));
  }

  measuring(when: string, next: CustomState | Pass): CustomState {
    const measure = this.ask(`Measure ${when}`, 'measure', { 'incident.$': '$.id', 'alarms.$': '$.plan.alarms', when });
    return inAnyCase(measure, next);
  }

  verify(
    name: string,
    endsOnAlarm: boolean,
    next: {
      readonly recovered: CustomState;
      readonly stopped: CustomState;
      readonly otherwise: CustomState | Pass;
      readonly notRecovered?: CustomState | Pass;
    },
  ): CustomState {
    const run = task(this.scope, name, {
      resource: 'states:startExecution.sync:2',
      parameters: {
        StateMachineArn: this.props.verification,
        Input: { 'id.$': '$.id', 'alarm.$': '$.alarm', 'plan.$': '$.plan', endsOnAlarm },
      },
      resultSelector: { 'verdict.$': '$.Output.verdict' },
      resultPath: '$.verified',
      retried: false,
    });
    run.addCatch(next.otherwise, { errors: [Errors.ALL], resultPath: '$.ignored' });
    run.next(
      new Choice(this.scope, `${name}: verdict`)
        .when(Condition.stringEquals('$.verified.verdict', 'recovered'), next.recovered)
        .when(Condition.stringEquals('$.verified.verdict', 'stopped'), next.stopped)
        .when(Condition.stringEquals('$.verified.verdict', 'not recovered'), next.notRecovered ?? next.otherwise)
        .otherwise(next.otherwise),
    );
    return run;
  }

  /** Where CloudWatch does not say, it counts as being in ALARM. */
  ifInAlarm(name: string, firing: State, over: State): CustomState {
    const describe = task(this.scope, name, {
      resource: 'aws-sdk:cloudwatch:describeAlarms',
      parameters: { 'AlarmNames.$': 'States.Array($.alarm)', StateValue: 'ALARM' },
      resultSelector: { 'names.$': '$.MetricAlarms[*].AlarmName' },
      resultPath: '$.firing',
    });
    describe.addCatch(firing, { errors: [Errors.ALL], resultPath: '$.ignored' });
    describe.next(
      new Choice(this.scope, `${name}: answer`).when(Condition.isPresent('$.firing.names[0]'), firing).otherwise(over),
    );
    return describe;
  }
}
