import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { connectionsTable, messagesTable, operationsTable, subscriptionsTable } from '../../lambdas/shared/tables.ts';
import type { Place, Resource } from '../../local/assembly/resource.ts';
import { startAwsEndpoint } from '../../local/aws/endpoint.ts';
import { startDynamoDb } from '../../local/dynamodb/service.ts';
import { createCredentials } from '../../local/iam/credentials.ts';

const place: Place = { partition: 'aws', account: '123456789012', region: 'eu-central-1' };

interface Keys {
  readonly partitionKey: string;
  readonly sortKey?: string;
  readonly timeToLive?: string;
  readonly byUser?: { readonly name: string; readonly partitionKey: string };
  readonly byAddress?: { readonly name: string; readonly partitionKey: string };
}

function table(name: string, keys: Keys): Resource {
  const indexes = [keys.byUser, keys.byAddress].filter(index => index !== undefined);
  const attributes = [keys.partitionKey, keys.sortKey, ...indexes.map(index => index.partitionKey)];
  const hash = (AttributeName: string) => ({ AttributeName, KeyType: 'HASH' });
  return {
    stack: 'test',
    logicalId: name,
    type: 'AWS::DynamoDB::Table',
    physicalId: name,
    attributes: { Arn: `arn:aws:dynamodb:${place.region}:${place.account}:table/${name}` },
    properties: {
      BillingMode: 'PAY_PER_REQUEST',
      KeySchema: [
        hash(keys.partitionKey),
        ...(keys.sortKey ? [{ AttributeName: keys.sortKey, KeyType: 'RANGE' }] : []),
      ],
      AttributeDefinitions: attributes.flatMap(name => (name ? { AttributeName: name, AttributeType: 'S' } : [])),
      ...(indexes.length > 0 && {
        GlobalSecondaryIndexes: indexes.map(({ name, partitionKey }) => ({
          IndexName: name,
          KeySchema: [hash(partitionKey)],
          Projection: { ProjectionType: 'KEYS_ONLY' },
        })),
      }),
      ...(keys.timeToLive && { TimeToLiveSpecification: { AttributeName: keys.timeToLive, Enabled: true } }),
    },
  };
}

export interface LocalTables {
  readonly client: DynamoDBDocumentClient;
  close(): Promise<void>;
}

export interface LocalTablesOptions {
  /** Every write shows to index, scan and eventually consistent reads this much later, in milliseconds. */
  readonly replicationLagMs: number;
}

/**
 * The service's tables (`Connections`, `Subscriptions`, `Messages`, `Operations`) in a DynamoDB of its own, with the
 * client as the functions make it.
 */
export async function startTables({ replicationLagMs }: LocalTablesOptions): Promise<LocalTables> {
  const stateDirectory = mkdtempSync(join(tmpdir(), 'steadysocket-tables-'));
  const log = () => {};
  const dynamodb = await startDynamoDb({
    resources: [
      table('Connections', connectionsTable),
      table('Subscriptions', subscriptionsTable),
      table('Messages', messagesTable),
      table('Operations', operationsTable),
    ],
    place,
    stateDirectory,
    authorization: { authorize: async () => {} },
    log,
    replicationLagMs,
    random: () => 1,
  });
  const credentials = createCredentials({ place });
  const endpoint = await startAwsEndpoint({
    port: 0,
    services: { dynamodb },
    authenticate: credentials.authenticate,
    log,
  });
  const dynamo = new DynamoDBClient({
    endpoint: endpoint.url,
    region: place.region,
    credentials: credentials.developer,
    maxAttempts: 1,
  });
  return {
    client: DynamoDBDocumentClient.from(dynamo, { marshallOptions: { removeUndefinedValues: true } }),
    async close() {
      dynamo.destroy();
      await endpoint.close();
      await dynamodb.close();
      rmSync(stateDirectory, { recursive: true });
    },
  };
}
