import type { APIGatewayProxyStructuredResultV2 } from 'aws-lambda';
import { Refusal } from '../shared/protocol.ts';
import {
  type Admitted,
  admit,
  type PublicationQueue,
  type PublishLimits,
  type Submission,
} from '../shared/publication.ts';
import type { Throttle } from '../shared/throttle.ts';
import { type Outcome, publishInOrder } from './in-order.ts';
import { type PublishRequest, readRequest } from './request.ts';

export interface PublishDependencies {
  readonly queue: PublicationQueue;
  readonly limits: PublishLimits;
  readonly throttle: Throttle;
  readonly now: () => number;
  /** Called once for a request of which something was refused, with nothing secret in it. */
  readonly refused: (publisher: string, refusal: Refusal) => void;
  /** A server that publishes has its own work to do: time within which it is answered, milliseconds. */
  readonly withinMs: number;
}

export interface PublishCall {
  /** The ARN of who signed. */
  readonly userArn: string;
  readonly channel: string;
  readonly body: string;
}

type Answer = APIGatewayProxyStructuredResultV2;

const statusOf: Partial<Record<Refusal['code'], number>> = {
  bad_json: 400,
  bad_frame: 400,
  message_too_large: 413,
  throttled: 429,
  unavailable: 503,
};

const json = (statusCode: number, body: object, headers?: Record<string, string>): Answer => ({
  statusCode,
  headers: { 'content-type': 'application/json', ...headers },
  body: JSON.stringify(body),
});

/**
 * Who publishes, for the recognition of repetitions: all sessions of a role are one publisher, since a server that is
 * restarted in the middle of a publication repeats it from another session.
 */
const roleOrUser = (arn: string): string => arn.replace(/^(arn:[^:]+:sts::\d+:assumed-role\/[^/]+)\/.*$/, '$1');

/** Names the message, where there are several. */
function admitEach(publisher: string, { messages, single }: PublishRequest, d: PublishDependencies) {
  const now = d.now();
  return messages.map((message: Submission, n) => {
    try {
      return admit(publisher, message, now, d.limits);
    } catch (error) {
      if (single || !(error instanceof Refusal)) throw error;
      throw new Refusal(error.code, `messages.${n}: ${error.message}`, error.retryAfterMs);
    }
  });
}

/** Each message with its cursor, or with why it was not accepted. */
const told = ({ messages }: PublishRequest, { accepted, refusal }: Outcome) =>
  messages.map(({ id }, n) => accepted[n] ?? { id, code: refusal?.code });

function refusalAnswer({ code, message, retryAfterMs }: Refusal, messages?: object): Answer {
  const headers = retryAfterMs === undefined ? {} : { 'retry-after': String(Math.ceil(retryAfterMs / 1000)) };
  return json(statusOf[code] ?? 500, { code, message, ...(messages && { messages }) }, headers);
}

/**
 * Answers a server's request to publish. All of its messages are checked before the first is published, and they are
 * accepted in order; where one is not, none after it is.
 */
export async function answer({ userArn, channel, body }: PublishCall, d: PublishDependencies): Promise<Answer> {
  const signal = AbortSignal.timeout(d.withinMs);
  const publisher = roleOrUser(userArn);
  try {
    const request = readRequest(channel, body);
    const late = new Promise<never>((_, reject) => {
      const refusal = new Refusal('unavailable', 'the message was not accepted, send it again with the same id', 1_000);
      signal.addEventListener('abort', () => reject(refusal), { once: true });
    });
    // It may come when nobody waits for it any more.
    late.catch(() => {});
    const turn = async ({ publication: { part } }: Admitted) => {
      // Parts are one message: the first one took its turn.
      if (!part?.offset) await Promise.race([d.throttle.admit(publisher, channel, d.now()), late]);
    };
    const outcome = await publishInOrder(admitEach(publisher, request, d), d.queue, signal, turn);
    const messages = told(request, outcome);
    if (outcome.refusal) {
      d.refused(publisher, outcome.refusal);
      return refusalAnswer(outcome.refusal, request.single ? undefined : messages);
    }
    return json(200, request.single ? (messages[0] as object) : { messages });
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    d.refused(publisher, error);
    return refusalAnswer(error);
  }
}
