import { DynamoDBClient, type DynamoDBClientConfig } from '@aws-sdk/client-dynamodb';
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';

/** A document client whose `destroy` ends its sockets; that of a client made by `from` alone does nothing. */
export function documentClient(config: DynamoDBClientConfig): DynamoDBDocumentClient {
  const client = new DynamoDBClient(config);
  const documents = DynamoDBDocumentClient.from(client, { marshallOptions: { removeUndefinedValues: true } });
  return Object.assign(documents, { destroy: () => client.destroy() });
}

/** One client for each function environment. A call that gets no answer in 2 s is given up and tried again, twice at most. */
export const dynamoDb = (): DynamoDBDocumentClient =>
  documentClient({
    maxAttempts: 3,
    // Without the third the SDK logs a warning and waits on.
    requestHandler: { connectionTimeout: 1_000, requestTimeout: 2_000, throwOnRequestTimeout: true },
  });

/** Time to live attributes are epoch seconds. */
export const epochSeconds = (milliseconds: number): number => Math.ceil(milliseconds / 1000);
