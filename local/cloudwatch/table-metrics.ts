import { z } from 'zod';
import { type AwsCall, AwsError, type AwsReply, type AwsService } from '../aws/service.ts';
import type { MetricSink } from './metric.ts';

const tables = z.object({
  TableName: z.string().optional(),
  RequestItems: z.record(z.string(), z.unknown()).optional(),
});

/** Errors that are no ThrottledRequests and no UserErrors: "DynamoDB metrics and dimensions". */
const notUserErrors: ReadonlySet<string> = new Set(['ConditionalCheckFailedException']);
const throttling: ReadonlySet<string> = new Set([
  'ProvisionedThroughputExceededException',
  'ThrottlingException',
  'RequestLimitExceeded',
]);

const writes: ReadonlySet<string> = new Set(['PutItem', 'UpdateItem', 'DeleteItem', 'BatchWriteItem']);

/** A table's name, also from its ARN. */
const nameOf = (table: string): string => table.slice(table.lastIndexOf('/') + 1);

function tablesOf(body: Buffer): string[] {
  try {
    const { TableName, RequestItems = {} } = tables.parse(JSON.parse(body.toString()));
    return (TableName === undefined ? Object.keys(RequestItems) : [TableName]).map(nameOf);
  } catch {
    // Not a request of a table; the service says what is wrong with it.
    return [];
  }
}

/**
 * Publishes how the requests to DynamoDB went, by table and operation, as DynamoDB does. What they consume is told by the
 * tables, which know their items.
 */
export function measuredDynamoDb(dynamodb: AwsService, sink: MetricSink): AwsService {
  const put = (name: string, dimensions: Readonly<Record<string, string>>, value = 1) =>
    sink.put('AWS/DynamoDB', name, dimensions, value, name === 'SuccessfulRequestLatency' ? 'Milliseconds' : 'Count');

  /** @param code of the error that it ended with */
  function told(call: AwsCall, startedAt: number, code: string | undefined, status: number): void {
    const Operation = String(call.headers['x-amz-target'] ?? '').replace(/^.*\./, '');
    // Of the account and region, not of a table.
    if (code !== undefined && status < 500 && !throttling.has(code) && !notUserErrors.has(code)) put('UserErrors', {});
    for (const TableName of tablesOf(call.body)) {
      const dimensions = { TableName, Operation };
      if (code === undefined) put('SuccessfulRequestLatency', dimensions, performance.now() - startedAt);
      else if (throttling.has(code)) {
        put('ThrottledRequests', dimensions);
        // "DynamoDB metrics and dimensions": the events, by the table alone.
        put(writes.has(Operation) ? 'WriteThrottleEvents' : 'ReadThrottleEvents', { TableName });
      } else if (status >= 500) put('SystemErrors', dimensions);
      else if (code === 'ConditionalCheckFailedException') put('ConditionalCheckFailedRequests', { TableName });
    }
  }

  return {
    ...(dynamodb.drawsFaults && { drawsFaults: true }),
    async handle(call): Promise<AwsReply> {
      const startedAt = performance.now();
      try {
        const reply = await dynamodb.handle(call);
        told(call, startedAt, reply.status < 300 ? undefined : reply.headers?.['x-amzn-errortype'], reply.status);
        return reply;
      } catch (error) {
        told(call, startedAt, error instanceof AwsError ? error.code : 'InternalServerError', errorStatus(error));
        throw error;
      }
    },
  };
}

const errorStatus = (error: unknown): number => (error instanceof AwsError ? error.status : 500);
