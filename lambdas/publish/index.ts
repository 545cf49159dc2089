import type { APIGatewayProxyStructuredResultV2 } from 'aws-lambda';
import { z } from 'zod';
import { dynamoDb } from '../shared/dynamodb.ts';
import { environmentOf, functionControl } from '../shared/environment.ts';
import { errorTypeOf } from '../shared/error-type.ts';
import { logger } from '../shared/logger.ts';
import { serviceMetrics } from '../shared/metrics.ts';
import { sqsPublicationQueue } from '../shared/publication.ts';
import { controlledThrottle, dynamoDbTurns } from '../shared/throttle.ts';
import { readVariables } from '../shared/variables.ts';
import { answer, type PublishDependencies } from './answer.ts';
import { publishVariables } from './variables.ts';

const variables = readVariables(publishVariables);
const withinMs = 1_000;
const metrics = serviceMetrics();
// Of the second that a server waits, half is left to the queue.
const control = functionControl(variables.OPERATIONS_TABLE, { firstTimeoutMs: withinMs / 2 });
const environment = environmentOf({
  control,
  reads: 'alongside',
  open() {
    const client = dynamoDb();
    const queue = sqsPublicationQueue(variables.PUBLICATIONS_QUEUE_URL, withinMs);
    const dependencies: PublishDependencies = {
      queue: {
        async send(...publication) {
          const sequenceNumber = await queue.send(...publication);
          metrics.put('MessagesAccepted', 1);
          return sequenceNumber;
        },
      },
      limits: { maxMessageBytes: variables.MAX_MESSAGE_BYTES },
      throttle: controlledThrottle(control, dynamoDbTurns(client, variables.OPERATIONS_TABLE), error =>
        logger.error('throttle not held', error),
      ),
      now: Date.now,
      refused(publisher, { code, message, cause }) {
        const type = errorTypeOf(code);
        if (type !== undefined) metrics.put('Errors', 1, type);
        logger.warn('message refused', {
          code,
          reason: message,
          publisher,
          ...(cause !== undefined && { error: cause as Error }),
        });
      },
      withinMs,
    };
    return {
      dependencies,
      end() {
        client.destroy();
        queue.end();
      },
    };
  },
});

const eventSchema = z.object({
  body: z.string().default(''),
  isBase64Encoded: z.boolean(),
  pathParameters: z.object({ channel: z.string() }),
  requestContext: z.object({ authorizer: z.object({ iam: z.object({ userArn: z.string() }) }) }),
});

/** `POST /channels/{channel}/messages` with one message or several. */
export async function handler(input: unknown): Promise<APIGatewayProxyStructuredResultV2> {
  const { body, isBase64Encoded, pathParameters, requestContext } = eventSchema.parse(input);
  const text = isBase64Encoded ? Buffer.from(body, 'base64').toString() : body;
  const { userArn } = requestContext.authorizer.iam;
  try {
    return await environment.run(({ dependencies }) =>
      answer({ userArn, channel: pathParameters.channel, body: text }, dependencies),
    );
  } finally {
    metrics.flush();
  }
}
