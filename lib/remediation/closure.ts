import {
  Choice,
  Condition,
  DefinitionBody,
  Errors,
  Fail,
  JsonPath,
  Map as MapState,
  Pass,
  StateMachine,
  Succeed,
} from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import { channelsAttribute } from '../observability/topics.ts';
import { paging, severities } from '../runbook/severity.ts';
import { MachinePermissions, type PageTopics, type StoreTable } from './permissions.ts';
import { format, IncidentWrites, inAnyCase, publish, task, why, whyItFailed } from './states.ts';

export interface ClosureProps {
  /** `<service>-<env>`. */
  readonly prefix: string;
  /** What people call from the repository, without what they want: `npm run incident -- --service … --env …`. */
  readonly command: string;
  readonly operations: StoreTable;
  readonly topics: PageTopics;
  /** Names of the state machines of all playbooks that change something. */
  readonly playbooks: readonly string[];
}

const isAmong = (list: string, place: number, value: string): Condition =>
  Condition.and(Condition.isPresent(`${list}[${place}]`), Condition.stringEqualsJsonPath(`${list}[${place}]`, value));

/** How long giving back a change may take: `scale-delivery` steps down by half every 5 min, from 64 in half an hour. */
const undoSeconds = 45 * 60;

/**
 * Ends an incident's remediation: gives back what was changed, the last change first, writes that down and tells who was paged.
 *
 * Input `{id, alarm, topic, ending, says, undo: [{key, playbook, machine, change}]}`. `recovered` closes the incident; after
 * `stopped` it stays, and people work on it. An undo that fails is told, stays pending on the incident, and fails this
 * execution at its end, which raises an alarm.
 */
export class Closure extends Construct {
  readonly machine: StateMachine;

  constructor(scope: Construct, id: string, { prefix, command, operations, topics, playbooks }: ClosureProps) {
    super(scope, id);
    const writes = new IncidentWrites(operations);
    const undone = new Pass(this, 'Undone', { parameters: { failed: false } });
    const notUndone = new Pass(this, 'Not undone', { parameters: { failed: true } });
    const undo = task(this, 'Undo a change', {
      resource: 'states:startExecution.sync:2',
      parameters: {
        'StateMachineArn.$': '$.pending.machine',
        Input: {
          'incident.$': '$.id',
          'alarm.$': '$.alarm',
          parameters: {},
          dryRun: false,
          'undo.$': '$.pending.change',
        },
      },
      resultSelector: { 'summary.$': '$.Output.summary' },
      resultPath: '$.result',
      timeoutSeconds: undoSeconds,
      retried: false,
    });
    const noted = writes.note(
      this,
      'Write that it is undone',
      'action',
      format('undone: {}: {}', '$.pending.playbook', '$.result.summary'),
      {
        remove: ['undo.#key'],
        names: { '#key': '$.pending.key' },
      },
    );
    const failureNoted = writes.note(
      this,
      'Write that it is not undone',
      'failure',
      format('not undone: {}: {}', '$.pending.playbook', why),
    );
    const failureTold = publish(this, 'Tell that it is not undone', {
      topic: '$.topic',
      subject: format('{}: undo of {} failed', '$.alarm', '$.pending.playbook'),
      message: format(
        'Incident {}: what {} changed could not be undone: {}\nGive it back by hand; docs/playbooks.md tells how.',
        '$.id',
        '$.pending.playbook',
        why,
      ),
    });
    undo.addRetry({ errors: [Errors.ALL], maxAttempts: 2 });
    const words = whyItFailed(this, 'Why is it not undone', '$.result', failureNoted);
    undo.addCatch(words, { errors: [Errors.ALL], resultPath: '$.result' });
    undo.next(noted);
    inAnyCase(noted, undone);
    inAnyCase(failureNoted, failureTold);
    inAnyCase(failureTold, notUndone);
    const each = new MapState(this, 'Undo what was changed', {
      itemsPath: '$.undo',
      maxConcurrency: 1,
      itemSelector: {
        'id.$': '$.id',
        'alarm.$': '$.alarm',
        'topic.$': '$.topic',
        'pending.$': '$$.Map.Item.Value',
      },
      resultPath: '$.undone',
    });
    each.itemProcessor(undo);

    const read = task(this, 'Who was paged', {
      resource: 'dynamodb:getItem',
      parameters: {
        TableName: operations.tableName,
        Key: { record: { 'S.$': "States.Format('incident#{}', $.id)" } },
        ConsistentRead: true,
        ProjectionExpression: '#severity, #announced, #paged',
        ExpressionAttributeNames: { '#severity': 'severity', '#announced': 'announced', '#paged': 'paged' },
      },
      resultPath: '$.incident',
    });
    const says = {
      topic: '$.topic',
      subject: format('{}: {}', '$.alarm', '$.ending'),
      message: format(`Incident {} is {}: {}\n${command} post-mortem {}`, '$.id', '$.ending', '$.says', '$.id'),
    };
    const atOnce = publish(this, 'Tell who was told at once', says);
    const tell = new MapState(this, 'Tell who else was paged', {
      itemsPath: '$.incident.Item.paged.SS',
      itemSelector: {
        'id.$': '$.id',
        'alarm.$': '$.alarm',
        'ending.$': '$.ending',
        'says.$': '$.says',
        'topic.$': '$.topic',
        'paged.$': 'States.StringToJson($$.Map.Item.Value)',
      },
      resultPath: JsonPath.DISCARD,
    });
    const message = publish(this, 'Tell the end', {
      ...says,
      topic: '$.paged.topic',
      attributes: { [channelsAttribute]: { DataType: 'String.Array', 'StringValue.$': '$.paged.channels' } },
    });
    const told = new Pass(this, 'Told');
    tell.itemProcessor(
      new Choice(this, 'Were they told at once')
        .when(Condition.or(...severities.map((_, place) => isAmong('$.paged.atOnce', place, '$.topic'))), told)
        .otherwise(inAnyCase(message, told)),
    );

    const allUndone = new Choice(this, 'Was everything undone')
      .when(
        Condition.booleanEquals('$.checked.anyFailed', true),
        new Fail(this, 'Changes remain', {
          error: 'UndoFailed',
          causePath: "States.Format('Incident {}: not every change could be undone', $.id)",
        }),
      )
      .otherwise(new Succeed(this, 'Over'));
    const check = new Pass(this, 'Look at the outcomes', {
      parameters: {
        yes: true,
        'failures.$': '$.undone[*].failed',
      },
      resultPath: '$.outcome',
    });
    const checkAny = new Pass(this, 'Did one fail', {
      parameters: { 'anyFailed.$': 'States.ArrayContains($.outcome.failures, $.outcome.yes)' },
      resultPath: '$.checked',
    });
    const stopped = writes.note(this, 'Write that people work on it', 'person', '$.says', {
      set: { status: { S: 'stopped' } },
    });
    const closed = writes.note(this, 'Write that it is closed', 'verification', '$.says', {
      set: { status: { S: 'closed' }, closedAt: { 'S.$': '$$.State.EnteredTime' }, ending: { 'S.$': '$.says' } },
    });
    const free = task(this, 'Free the alarm', {
      resource: 'dynamodb:deleteItem',
      parameters: {
        TableName: operations.tableName,
        Key: { record: { 'S.$': "States.Format('open#{}', $.alarm)" } },
        ConditionExpression: '#incident = :incident',
        ExpressionAttributeNames: { '#incident': 'incident' },
        ExpressionAttributeValues: { ':incident': { 'S.$': '$.id' } },
      },
    });
    const whichEnd = new Choice(this, 'Recovered or stopped')
      .when(Condition.stringEquals('$.ending', 'stopped'), inAnyCase(stopped, read))
      .otherwise(inAnyCase(closed, free));
    inAnyCase(free, read);
    const anyPaged = new Choice(this, 'Was anybody else paged')
      .when(Condition.isPresent('$.incident.Item.paged.SS[0]'), tell)
      .otherwise(check);
    const anyTold = new Choice(this, 'Was anybody told', {
      comment:
        'A superseded incident is announced to nobody; of P0 and P1 the alarm itself tells. Where it is not known, they are told',
    })
      .when(
        Condition.and(
          Condition.isPresent('$.incident.Item.severity.S'),
          ...paging.map(severity => Condition.not(Condition.stringEquals('$.incident.Item.severity.S', severity))),
          Condition.isNotPresent('$.incident.Item.announced'),
          Condition.isNotPresent('$.incident.Item.paged'),
        ),
        check,
      )
      .otherwise(atOnce);
    inAnyCase(atOnce, anyPaged);
    inAnyCase(read, anyTold);
    // Entries of incidents that an earlier release opened can be others; whether all is undone is asked all the same.
    tell.addCatch(check, { errors: [Errors.ALL], resultPath: '$.ignored' });
    tell.next(check);
    check.next(checkAny).next(allUndone);
    each.next(whichEnd);

    this.machine = new StateMachine(this, 'Machine', {
      stateMachineName: `${prefix}-closure`,
      comment: 'Undoes what was changed, closes the incident, tells who was paged',
      definitionBody: DefinitionBody.fromChainable(each),
    });
    const permissions = new MachinePermissions(this.machine)
      .table(operations, 'GetItem', 'UpdateItem', 'DeleteItem')
      .publish(topics);
    if (playbooks.length > 0) permissions.run(...playbooks);
  }
}
