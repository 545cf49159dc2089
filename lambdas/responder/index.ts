import { CloudWatchClient } from '@aws-sdk/client-cloudwatch';
import { SFNClient } from '@aws-sdk/client-sfn';
import { dynamoDb } from '../shared/dynamodb.ts';
import { isRunning } from '../shared/executions.ts';
import { logger } from '../shared/logger.ts';
import { readVariables } from '../shared/variables.ts';
import { dynamoDbLocks, type Locked } from './lock.ts';
import { measuring } from './measure.ts';
import { dynamoDbIncidents, type Opened } from './open.ts';
import { responderRequest } from './request.ts';
import { responderVariables } from './variables.ts';

const { OPERATIONS_TABLE } = readVariables(responderVariables);
const store = dynamoDb();
const running = isRunning(new SFNClient());
const incidents = dynamoDbIncidents(store, OPERATIONS_TABLE, running);
const locks = dynamoDbLocks(store, OPERATIONS_TABLE, running);
const { measure } = measuring(new CloudWatchClient(), store, OPERATIONS_TABLE);

/**
 * What the responder's state machine cannot do by itself: conditions over several items, sums of times, metric data.
 * @throws ZodError where the request is none, what the SDKs throw where a service cannot be asked
 */
export async function handler(event: unknown): Promise<Opened | Locked | { readonly values: string }> {
  const request = responderRequest.parse(event);
  switch (request.mode) {
    case 'open': {
      const opened = await incidents.open(request);
      logger.info('incident', { alarm: request.alarm, verdict: opened.verdict, incident: opened.incident });
      return opened;
    }
    case 'lock':
      return locks.lock(request);
    case 'measure':
      return { values: await measure(request) };
  }
}
