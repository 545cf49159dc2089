import {
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  type Message,
  ReceiveMessageCommand,
  SendMessageCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import { deadLetterAttributes } from '../../lambdas/fan-out/dead-letters.ts';

export interface DeadLetter {
  /** Its message group: the channel, or channel and shard. */
  readonly group: string;
  /** In a word; absent where the queue itself gave it up. */
  readonly reason?: string;
  /** When it was put away. */
  readonly since: Date;
  readonly bytes: number;
}

export interface DeadLetters {
  /** Approximately how many there are. */
  readonly count: number;
  /** The first of each group: SQS gives out no more of a group than ten at a time. */
  readonly first: readonly DeadLetter[];
}

/** Long enough to look at all of them; then they are visible again. */
const lookSeconds = 30;
/** Long enough to send ten on. */
const redriveSeconds = 60;

const received = async (
  client: SQSClient,
  QueueUrl: string,
  VisibilityTimeout: number,
): Promise<readonly Message[]> => {
  const { Messages = [] } = await client.send(
    new ReceiveMessageCommand({
      QueueUrl,
      VisibilityTimeout,
      MaxNumberOfMessages: 10,
      MessageSystemAttributeNames: ['MessageGroupId', 'SentTimestamp', 'DeadLetterQueueSourceArn'],
      MessageAttributeNames: [deadLetterAttributes.reason, deadLetterAttributes.source],
    }),
  );
  return Messages;
};

function letterOf({ Attributes, MessageAttributes, Body = '' }: Message): DeadLetter {
  const reason = MessageAttributes?.[deadLetterAttributes.reason]?.StringValue;
  return {
    group: Attributes?.MessageGroupId ?? '',
    ...(reason !== undefined && { reason }),
    since: new Date(Number(Attributes?.SentTimestamp)),
    bytes: Buffer.byteLength(Body),
  };
}

/** Looks at a dead-letter queue. Nothing of it is received by another for as long as that takes. */
export async function list(client: SQSClient, queueUrl: string): Promise<DeadLetters> {
  const { Attributes } = await client.send(
    new GetQueueAttributesCommand({ QueueUrl: queueUrl, AttributeNames: ['ApproximateNumberOfMessages'] }),
  );
  const first: DeadLetter[] = [];
  const looked: Message[] = [];
  for (;;) {
    const messages = await received(client, queueUrl, lookSeconds);
    if (messages.length === 0) break;
    looked.push(...messages);
    first.push(...messages.map(letterOf));
  }
  for (let at = 0; at < looked.length; at += 10) {
    await client.send(
      new ChangeMessageVisibilityBatchCommand({
        QueueUrl: queueUrl,
        Entries: looked.slice(at, at + 10).map(({ ReceiptHandle }, n) => ({
          Id: String(n),
          ReceiptHandle: ReceiptHandle ?? '',
          VisibilityTimeout: 0,
        })),
      }),
    );
  }
  return { count: Number(Attributes?.ApproximateNumberOfMessages ?? 0), first };
}

/** `arn:aws:sqs:<region>:<account>:<name>` as a URL. */
function urlOf(arn: string): string {
  const [, partition, , region, account, name] = arn.split(':');
  return `https://sqs.${region}.amazonaws.com${partition === 'aws-cn' ? '.cn' : ''}/${account}/${name}`;
}

/** The URL of the queue that a letter came from: fan-out notes it, SQS gives the ARN. */
function sourceOf({ MessageAttributes, Attributes, MessageId }: Message): string {
  const noted = MessageAttributes?.[deadLetterAttributes.source]?.StringValue;
  if (noted !== undefined) return noted;
  const arn = Attributes?.DeadLetterQueueSourceArn;
  if (arn === undefined) throw new Error(`message ${MessageId} does not say which queue it came from`);
  return urlOf(arn);
}

/**
 * Puts dead letters back into the queues they came from, in order. They are new messages there, behind all that was
 * published since; their places in the channels remain undeliverable.
 * @param limit how many at most
 * @returns how many were put back
 */
export async function redrive(client: SQSClient, queueUrl: string, limit = Number.POSITIVE_INFINITY): Promise<number> {
  let redriven = 0;
  while (redriven < limit) {
    const messages = await received(client, queueUrl, redriveSeconds);
    if (messages.length === 0) break;
    for (const message of messages) {
      if (redriven === limit) break;
      await client.send(
        new SendMessageCommand({
          QueueUrl: sourceOf(message),
          MessageBody: message.Body,
          MessageGroupId: message.Attributes?.MessageGroupId,
          // One that is sent and not deleted is sent once if it is redriven again within 5 min.
          MessageDeduplicationId: `redrive#${message.MessageId}`,
        }),
      );
      await client.send(new DeleteMessageCommand({ QueueUrl: queueUrl, ReceiptHandle: message.ReceiptHandle }));
      redriven += 1;
    }
  }
  return redriven;
}
