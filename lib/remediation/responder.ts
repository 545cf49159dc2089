import { Choice, Condition, DefinitionBody, Pass, Result, StateMachine, Succeed } from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import { MachinePermissions } from './permissions.ts';
import type { Plan } from './plan.ts';
import { Attempts } from './responder/attempts.ts';
import { Endings } from './responder/endings.ts';
import { Opening } from './responder/opening.ts';
import { type ResponderProps, ResponderSteps } from './responder/steps.ts';

/**
 * What is done about an alarm: a state machine whose definition says so for every alarm of the runbook.
 *
 * Input `{alarm, alarmAt, reason}`. Nothing that tells or records holds up what is done: where the store fails, people are
 * paged all the same.
 */
export class Responder extends Construct {
  readonly machine: StateMachine;

  constructor(scope: Construct, id: string, props: ResponderProps) {
    super(scope, id);
    const { prefix, plans, operations, topics } = props;
    const steps = new ResponderSteps(this, props);
    const endings = new Endings(steps);
    const open = new Opening(steps, endings, new Attempts(steps, endings)).begin();
    this.machine = new StateMachine(this, 'Machine', {
      stateMachineName: `${prefix}-responder`,
      comment: 'Answers an alarm: incident, page, playbooks, verification; docs/remediation.md',
      definitionBody: DefinitionBody.fromChainable(this.byAlarm(plans, open)),
    });
    const changing = [...new Set(plans.flatMap(plan => plan.attempts.map(({ playbook }) => `${prefix}-${playbook}`)))];
    new MachinePermissions(this.machine)
      .table(operations, 'GetItem', 'UpdateItem')
      .describeAlarms()
      .publish(topics)
      .invoke(props.functionArn)
      .start(`${prefix}-escalation`)
      .run(`${prefix}-verification`, `${prefix}-closure`, `${prefix}-diagnose`, ...changing);
  }

  private byAlarm(plans: readonly Plan[], open: Pass): Choice {
    const which = new Choice(this, 'Which alarm', { comment: 'Every row of the table of alarms' });
    for (const plan of plans) {
      const pass = new Pass(this, `Plan of ${plan.alarm}`, {
        comment: `${plan.title}. ${plan.says}`,
        result: Result.fromObject({ ...plan }),
        resultPath: '$.plan',
      });
      which.when(Condition.stringEquals('$.alarm', plan.alarm), pass.next(open));
    }
    // Somebody's own alarm whose name begins as the service's do.
    return which.otherwise(new Succeed(this, 'No alarm of the runbook'));
  }
}
