import { DynamoDBClient, ListTablesCommand } from '@aws-sdk/client-dynamodb';
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { type ControlStore, dynamoDbControl } from '../lambdas/shared/control.ts';
import type { RunningService } from './service.ts';

/** The control record of a service, as playbooks write it. */
export async function controlOf({ awsUrl, region, developer }: RunningService): Promise<ControlStore> {
  const client = new DynamoDBClient({ endpoint: awsUrl, region, credentials: developer });
  const { TableNames = [] } = await client.send(new ListTablesCommand());
  const table = TableNames.find(name => name.includes('Operations'));
  if (table === undefined) throw new Error(`no Operations table among ${TableNames.join(', ')}`);
  return dynamoDbControl(DynamoDBDocumentClient.from(client), table, (_, error) => {
    throw error;
  });
}
