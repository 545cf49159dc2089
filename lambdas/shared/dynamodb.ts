import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';

/** One client for each function environment. A call that gets no answer in 2 s is given up and tried again, twice at most. */
export const dynamoDb = (): DynamoDBDocumentClient =>
  DynamoDBDocumentClient.from(
    new DynamoDBClient({
      maxAttempts: 3,
      // Without the third the SDK logs a warning and waits on.
      requestHandler: { connectionTimeout: 1_000, requestTimeout: 2_000, throwOnRequestTimeout: true },
    }),
    { marshallOptions: { removeUndefinedValues: true } },
  );

/** Time to live attributes are epoch seconds. */
export const epochSeconds = (milliseconds: number): number => Math.ceil(milliseconds / 1000);
