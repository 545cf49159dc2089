import { BatchGetCommand, type DynamoDBDocumentClient, UpdateCommand } from '@aws-sdk/lib-dynamodb';

/**
 * Sixteen counters whose sum is the number of connections. One item takes 1,000 writes a second (a partition's limit):
 * too few for 500 connects a second beside the disconnects of a mass drop.
 */
const counters = Array.from({ length: 16 }, (_, n) => `connections#${n}`);

/** How many connections there are, soft by the second that a reading is kept; the census corrects what drifts. */
export interface ConnectionCount {
  add(difference: number): Promise<void>;
  read(): Promise<number>;
}

export function dynamoDbConnectionCount(client: DynamoDBDocumentClient, tableName: string): ConnectionCount {
  return {
    async add(difference) {
      const record = counters[Math.floor(Math.random() * counters.length)];
      await client.send(
        new UpdateCommand({
          TableName: tableName,
          Key: { record },
          UpdateExpression: 'ADD #count :difference',
          ExpressionAttributeNames: { '#count': 'count' },
          ExpressionAttributeValues: { ':difference': difference },
        }),
      );
    },
    async read() {
      let keys = counters.map(record => ({ record }) as Record<string, unknown>);
      let sum = 0;
      while (keys.length > 0) {
        const { Responses, UnprocessedKeys } = await client.send(
          new BatchGetCommand({ RequestItems: { [tableName]: { Keys: keys, ConsistentRead: true } } }),
        );
        for (const item of Responses?.[tableName] ?? []) sum += item.count as number;
        keys = UnprocessedKeys?.[tableName]?.Keys ?? [];
      }
      return sum;
    },
  };
}
