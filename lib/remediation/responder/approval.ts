import { Choice, Condition, type CustomState, Errors, type Pass } from 'aws-cdk-lib/aws-stepfunctions';
import { approvalSeconds } from '../../../lambdas/shared/incidents.ts';
import { askWhetherToStop, format, inAnyCase, isToStop, type Text, task } from '../states.ts';
import type { Endings } from './endings.ts';
import type { ResponderSteps } from './steps.ts';

interface Approval {
  /** Where it goes on with a yes, or where nobody is asked. */
  readonly approved: CustomState;
  /** Where it goes on with an alarm that is over by the time of the answer. */
  readonly over: Pass;
}

/** An answer can take half an hour, in which the alarm can end. */
export function approving(steps: ResponderSteps, endings: Endings, { approved, over }: Approval): Choice {
  const { scope, props, writes } = steps;
  const { command, operations } = props;
  const handOver = endings.handingOver();
  const wait = task(scope, 'Wait for approval', {
    resource: 'aws-sdk:dynamodb:updateItem.waitForTaskToken',
    comment: 'npm run incident -- approve|reject; no answer is a no',
    parameters: {
      TableName: operations.tableName,
      Key: { record: { 'S.$': "States.Format('incident#{}', $.id)" } },
      UpdateExpression: 'SET #approval = :approval',
      ExpressionAttributeNames: { '#approval': 'approval' },
      ExpressionAttributeValues: {
        ':approval': {
          M: {
            token: { 'S.$': '$$.Task.Token' },
            playbook: { 'S.$': '$.attempt.next.says' },
            askedAt: { 'S.$': '$$.State.EnteredTime' },
          },
        },
      },
    },
    resultPath: '$.answer',
    timeoutSeconds: approvalSeconds,
    retried: false,
  });
  const page = steps.page(
    'Ask for approval',
    format('{}: approve?', '$.plan.subject'),
    format(
      `{} wants to run {}.\n${command} approve {}\n${command} reject {}\nNo answer in ${approvalSeconds / 60} minutes is a no. Runbook: {}`,
      '$.id',
      '$.attempt.next.says',
      '$.id',
      '$.id',
      '$.plan.link',
    ),
    wait,
  );
  /** What became of the question, which waits no more. */
  const answered = (name: string, kind: 'person' | 'decision', text: Text): CustomState =>
    writes.note(scope, name, kind, text, { remove: ['approval'] });
  const yes = answered('Write the yes', 'person', format('{} approved {}', '$.answer.by', '$.attempt.next.says'));
  const no = answered('Write the no', 'person', format('{} rejected {}', '$.answer.by', '$.attempt.next.says'));
  const silence = answered(
    'Write that nobody answered',
    'decision',
    format('nobody approved {}: {}', '$.attempt.next.says', '$.answer.Error'),
  );
  const after = {
    yes: steps.ifInAlarm('Is it in ALARM after the yes', approved, over),
    silence: steps.ifInAlarm('Is it in ALARM after the silence', handOver, over),
    no: askWhetherToStop(scope, 'Was the no a stop', operations),
  };
  inAnyCase(after.no, new Choice(scope, 'No or stop').when(isToStop, endings.stopped()).otherwise(handOver));
  wait.addCatch(inAnyCase(silence, after.silence), { errors: [Errors.ALL], resultPath: '$.answer' });
  wait.next(
    new Choice(scope, 'Is it approved')
      .when(
        Condition.and(Condition.isPresent('$.answer.approved'), Condition.booleanEquals('$.answer.approved', true)),
        inAnyCase(yes, after.yes),
      )
      .otherwise(inAnyCase(no, after.no)),
  );
  return new Choice(scope, 'Is a person asked first')
    .when(
      Condition.and(
        Condition.stringEquals('$.mode.value', 'approval'),
        Condition.numberEquals('$.attempt.next.try', 1),
      ),
      page,
    )
    .otherwise(approved);
}
