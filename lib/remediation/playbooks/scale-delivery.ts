import { Duration } from 'aws-cdk-lib';
import { Choice, Condition, Pass, Result, type State, Wait, WaitTime } from 'aws-cdk-lib/aws-stepfunctions';
import { mostPosts } from '../../../lambdas/fan-out/most-posts.ts';
import { deliveryRates } from '../../realtime/delivery-rates.ts';
import { playbooks } from '../../runbook/playbooks.ts';
import type { Settings } from '../../runbook/settings.ts';
import type { StoreTable } from '../permissions.ts';
import { format } from '../states.ts';
import {
  changeNames,
  conditionFailed,
  controlChange,
  controlKey,
  controlUpdate,
  notGivenBack,
  placeholders,
} from './control-change.ts';
import type { Playbook, PlaybookStates } from './playbook.ts';

/** chat-backend's rule: up at once, down after 5 minutes, half at a time. */
const downAfter = Duration.minutes(5);

/** What each figure that a runbook can ask for means here; by index, since JSONPath can look up and not multiply. */
export interface DeliverySteps {
  /** Posts at once in one invocation. */
  readonly parallelism: readonly number[];
  /** The next step down; 1 is what there was before. */
  readonly half: readonly number[];
}

type Bounds = Pick<
  Settings,
  | 'requestQuotaShare'
  | 'maxConnections'
  | 'heartbeatIntervalSeconds'
  | 'fanOutConcurrency'
  | 'postParallelism'
  | 'postTimeoutSeconds'
>;

/**
 * More posts at once than an invocation's parts of the quota allow while one may take would only wait for their turn. It has
 * as many parts as are asked for at most, where the other invocations leave them.
 */
export function deliverySteps(settings: Bounds): DeliverySteps {
  const { maximum } = playbooks['scale-delivery'].parameter;
  const { postParallelism, fanOutConcurrency, postTimeoutSeconds } = settings;
  const { postsPerSecond, shardConcurrency } = deliveryRates(settings);
  const invocations = fanOutConcurrency + shardConcurrency;
  const ceiling = (n: number) => Math.min(mostPosts, Math.min(n, invocations) * postsPerSecond * postTimeoutSeconds);
  const steps = Array.from({ length: maximum + 1 }, (_, n) => Math.max(1, n));
  return {
    parallelism: steps.map(n => Math.max(postParallelism, Math.min(n * postParallelism, ceiling(n)))),
    half: steps.map(n => Math.floor(n / 2)),
  };
}

const fields = ['shards', 'postParallelism'] as const;
const names = changeNames('shards');

/** Raises shards and posting parallelism at once; gives them back half at a time. */
export function scaleDelivery(playbook: Playbook, table: StoreTable, settings: Settings): PlaybookStates {
  const { parameter } = playbooks['scale-delivery'];
  const steps = deliverySteps(settings);
  const lookUp = (id: string, next: State): State => {
    const known = new Pass(playbook, `${id}: what is possible`, {
      result: Result.fromObject({ parallelism: steps.parallelism }),
      resultPath: '$.steps',
    });
    const found = new Pass(playbook, id, {
      parameters: {
        'parallelism.$': 'States.ArrayGetItem($.steps.parallelism, $.parameters.shards)',
      },
      resultPath: '$.to',
    });
    known.next(found);
    found.next(next);
    return known;
  };
  const { run, dryRun, undo } = controlChange(playbook, {
    table,
    fields: [
      { name: fields[0], value: { 'N.$': "States.Format('{}', $.parameters.shards)" } },
      { name: fields[1], value: { 'N.$': "States.Format('{}', $.to.parallelism)" } },
    ],
    weaker: '<',
    says: format(
      'each invocation makes up to {} posts at once, from {} batches and with up to {} parts of the quota; large channels get {} shards',
      '$.to.parallelism',
      '$.parameters.shards',
      '$.parameters.shards',
      '$.parameters.shards',
    ),
  });
  return {
    start: playbook.begin({
      run: playbook.bounded(parameter.name, parameter, lookUp('Scale up', run)),
      dryRun: lookUp('Would scale up', dryRun),
      undo: stepDown(playbook, table, steps, undo),
    }),
    allow: permissions => permissions.table(table, 'GetItem', 'UpdateItem'),
  };
}

/** Reads where it stands, so that an undo that was cut off goes on from there. */
function stepDown(playbook: Playbook, table: StoreTable, steps: DeliverySteps, giveBack: State): State {
  const known = new Pass(playbook, 'Steps down', {
    result: Result.fromObject({ half: steps.half, parallelism: steps.parallelism }),
    resultPath: '$.steps',
  });
  const read = playbook.task('Where it stands', {
    resource: 'aws-sdk:dynamodb:getItem',
    parameters: { TableName: table.tableName, Key: controlKey, ConsistentRead: true },
    resultSelector: { 'item.$': '$.Item' },
    resultPath: '$.now',
  });
  const notMine = playbook.answer('Not its own any more', {
    changed: false,
    summary: notGivenBack(fields),
  });
  const value = (name: string, type: 'N' | 'S') => `$.now.item.${name}.${type}`;
  const isMine = Condition.and(
    Condition.isPresent(value(names.owner, 'S')),
    Condition.stringEqualsJsonPath(value(names.owner, 'S'), '$.undo.owner'),
    Condition.isPresent(value('shards', 'N')),
    Condition.stringEqualsJsonPath(value('shards', 'N'), value(names.set('shards'), 'N')),
  );
  const current = new Pass(playbook, 'The step', {
    parameters: { 'value.$': `States.StringToJson(${value('shards', 'N')})` },
    resultPath: '$.step',
  });
  const wait = new Wait(playbook, 'Down slowly', { time: WaitTime.duration(downAfter) });
  const next = new Pass(playbook, 'Half of it', {
    parameters: { 'value.$': 'States.ArrayGetItem($.steps.half, $.step.value)' },
    resultPath: '$.step',
  });
  const posts = new Pass(playbook, 'Its posts', {
    parameters: { 'value.$': 'States.ArrayGetItem($.steps.parallelism, $.step.value)' },
    resultPath: '$.posts',
  });
  const halve = playbook.task(
    'Halve',
    {
      resource: 'dynamodb:updateItem',
      parameters: controlUpdate(
        table,
        'SET #field0 = :shards, #set0 = :shards, #field1 = :posts, #set1 = :posts',
        '#owner = :owner AND #field0 = #set0 AND #field1 = #set1 AND (attribute_type(#before0, :null) OR #before0 < :shards)',
        placeholders(fields),
        {
          ':owner': { 'S.$': '$.undo.owner' },
          ':shards': { 'N.$': "States.Format('{}', $.step.value)" },
          ':posts': { 'N.$': "States.Format('{}', $.posts.value)" },
          ':null': { S: 'NULL' },
        },
      ),
    },
    { [conditionFailed]: giveBack },
  );
  known.next(read);
  read.next(new Choice(playbook, 'Is it still its own').when(isMine, current).otherwise(notMine));
  current.next(wait);
  wait.next(next);
  next.next(
    new Choice(playbook, 'Is it the last step')
      .when(Condition.numberLessThan('$.step.value', 2), giveBack)
      .otherwise(posts),
  );
  posts.next(halve);
  halve.next(wait);
  return known;
}
