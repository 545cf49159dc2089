import type { StoreTable } from '../permissions.ts';
import { format } from '../states.ts';
import { controlKey, readThenSay } from './control-change.ts';
import type { Playbook, PlaybookStates } from './playbook.ts';

/** Every environment opens its clients and caches anew, once it has read the control record. */
export function restartFunctions(playbook: Playbook, table: StoreTable): PlaybookStates {
  const says = 'every function environment rebuilds its clients and caches';
  const run = playbook.task('Raise the generation', {
    resource: 'dynamodb:updateItem',
    parameters: {
      TableName: table.tableName,
      Key: controlKey,
      UpdateExpression: 'ADD #generation :one',
      ExpressionAttributeNames: { '#generation': 'generation' },
      ExpressionAttributeValues: { ':one': { N: '1' } },
      ReturnValues: 'UPDATED_NEW',
    },
    resultSelector: { 'generation.$': '$.Attributes.generation.N' },
    resultPath: '$.written',
  });
  run.next(
    playbook.answer('Done', {
      changed: true,
      summary: format(`generation {}: ${says}`, '$.written.generation'),
      report: { 'generation.$': '$.written.generation' },
    }),
  );
  return {
    start: playbook.begin({
      run,
      dryRun: readThenSay(playbook, table, ['generation'], says),
      undo: playbook.nothingToUndo(),
    }),
    allow: permissions => permissions.table(table, 'GetItem', 'UpdateItem'),
  };
}
