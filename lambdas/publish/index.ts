import type { APIGatewayProxyStructuredResultV2 } from 'aws-lambda';
import { z } from 'zod';
import { logger } from '../shared/logger.ts';
import { channelSchema, Refusal, serverMessage } from '../shared/protocol.ts';
import { publish, sqsPublicationQueue } from '../shared/publication.ts';
import { readVariables } from '../shared/variables.ts';
import { publishVariables } from './variables.ts';

const variables = readVariables(publishVariables);
const limits = { maxMessageBytes: variables.MAX_MESSAGE_BYTES };
/** A server that publishes has its own work to do: it is answered within a second. */
const queue = sqsPublicationQueue(variables.PUBLICATIONS_QUEUE_URL, 1_000);

const eventSchema = z.object({
  body: z.string().default(''),
  isBase64Encoded: z.boolean(),
  pathParameters: z.object({ channel: z.string() }),
  requestContext: z.object({ authorizer: z.object({ iam: z.object({ userArn: z.string() }) }) }),
});

const statusOf: Partial<Record<Refusal['code'], number>> = {
  bad_json: 400,
  bad_frame: 400,
  message_too_large: 413,
  unavailable: 503,
};

const json = (
  statusCode: number,
  body: object,
  headers?: Record<string, string>,
): APIGatewayProxyStructuredResultV2 => ({
  statusCode,
  headers: { 'content-type': 'application/json', ...headers },
  body: JSON.stringify(body),
});

function decode<T>(schema: z.ZodType<T>, value: unknown, name: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new Refusal('bad_frame', `${[name, ...(issue?.path ?? [])].join('.')}: ${issue?.message}`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Refusal('bad_json', 'the body is not JSON');
  }
}

/**
 * Who publishes, for the recognition of repetitions: all sessions of a role are one publisher, since a server that is
 * restarted in the middle of a publication repeats it from another session.
 */
const roleOrUser = (arn: string): string => arn.replace(/^(arn:[^:]+:sts::\d+:assumed-role\/[^/]+)\/.*$/, '$1');

/** `POST /channels/{channel}/messages` with `{id, data}`: answers `{id, cursor}` once the message is durable. */
export async function handler(input: unknown): Promise<APIGatewayProxyStructuredResultV2> {
  const event = eventSchema.parse(input);
  const publisher = roleOrUser(event.requestContext.authorizer.iam.userArn);
  try {
    const text = event.isBase64Encoded ? Buffer.from(event.body, 'base64').toString() : event.body;
    const channel = decode(channelSchema, event.pathParameters.channel, 'channel');
    const message = decode(serverMessage, parseJson(text), 'body');
    const { cursor } = await publish(publisher, { channel, ...message }, Date.now(), limits, queue);
    return json(200, { id: message.id, cursor });
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const { code, message, retryAfterMs } = error;
    logger.warn('message refused', {
      code,
      reason: message,
      publisher,
      ...(error.cause !== undefined && { error: error.cause as Error }),
    });
    const headers = retryAfterMs === undefined ? {} : { 'retry-after': String(Math.ceil(retryAfterMs / 1000)) };
    return json(statusOf[code] ?? 500, { code, message }, headers);
  }
}
