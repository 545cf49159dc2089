import { ConditionalCheckFailedException } from '@aws-sdk/client-dynamodb';
import { type DynamoDBDocumentClient, GetCommand, PutCommand } from '@aws-sdk/lib-dynamodb';
import { z } from 'zod';
import type { IsRunning } from '../shared/executions.ts';
import { lockRecord } from '../shared/incidents.ts';
import { operationsTable } from '../shared/tables.ts';
import type { LockRequest } from './request.ts';

export interface Locked {
  /** `taken`: another incident's remediation runs this playbook now. `cooldown`: one has just run it. */
  readonly verdict: 'held' | 'taken' | 'cooldown';
  /** In words, for the incident. */
  readonly says: string;
}

export interface PlaybookLocks {
  /** @throws what the SDK throws, where the store or Step Functions cannot be asked */
  lock(request: LockRequest): Promise<Locked>;
}

const { partitionKey } = operationsTable;
const lockItem = z.object({
  /** ARN of the execution that runs the playbook; absent where none does. */
  owner: z.string().optional(),
  incident: z.string(),
  since: z.string(),
  endedAt: z.string().optional(),
});

export function dynamoDbLocks(client: DynamoDBDocumentClient, TableName: string, isRunning: IsRunning): PlaybookLocks {
  return {
    async lock({ playbook, incident, execution, cooldownSeconds, now }) {
      const key = { [partitionKey]: lockRecord(playbook) };
      const { Item } = await client.send(new GetCommand({ TableName, Key: key, ConsistentRead: true }));
      const held = Item && lockItem.parse(Item);
      if (held?.owner !== undefined && held.owner !== execution && (await isRunning(held.owner)))
        return { verdict: 'taken', says: `${playbook} is run for ${held.incident} now; its outcome is awaited` };
      if (held?.endedAt !== undefined && held.incident !== incident) {
        const free = Date.parse(held.endedAt) + cooldownSeconds * 1000;
        if (Date.parse(now) < free) {
          const until = new Date(free).toISOString();
          return {
            verdict: 'cooldown',
            says: `${playbook} is left out: it was run for ${held.incident}, cooldown until ${until}`,
          };
        }
      }
      const names = held ? { '#owner': 'owner', '#since': 'since' } : { '#key': partitionKey };
      // What was read has to be there still: an owner that has ended, or none.
      const same = held
        ? `#since = :since AND ${held.owner === undefined ? 'attribute_not_exists(#owner)' : '#owner = :owner'}`
        : 'attribute_not_exists(#key)';
      try {
        await client.send(
          new PutCommand({
            TableName,
            Item: { ...key, owner: execution, incident, since: now },
            ConditionExpression: same,
            ExpressionAttributeNames: names,
            ...(held && {
              ExpressionAttributeValues: {
                ':since': held.since,
                ...(held.owner !== undefined && { ':owner': held.owner }),
              },
            }),
          }),
        );
      } catch (error) {
        if (!(error instanceof ConditionalCheckFailedException)) throw error;
        return {
          verdict: 'taken',
          says: `${playbook} was begun for another incident just now; its outcome is awaited`,
        };
      }
      return { verdict: 'held', says: `${playbook} is run` };
    },
  };
}
