import { SendMessageCommand, type SQSClient } from '@aws-sdk/client-sqs';

/** What can never be delivered, as it came. */
export interface DeadLetter {
  /** Message group it came in. */
  readonly group: string;
  readonly body: string;
  /** In a word, for whoever looks at it. */
  readonly reason: string;
  /** URL of the queue that it came from, where it is put back. */
  readonly source: string;
  /** Sequence number, which tells it from all others of its group. */
  readonly place: string;
}

/** Names of the attributes that a dead letter carries. */
export const deadLetterAttributes = { reason: 'Reason', source: 'Source' } as const;

const text = (StringValue: string) => ({ DataType: 'String', StringValue });

/** Puts a dead letter into its queue; a repetition within 5 min is accepted and not kept twice. */
export async function sendDeadLetter(queueUrl: string, letter: DeadLetter, client: SQSClient): Promise<void> {
  const { group, body, reason, source, place } = letter;
  await client.send(
    new SendMessageCommand({
      QueueUrl: queueUrl,
      MessageGroupId: group,
      MessageDeduplicationId: place,
      MessageBody: body,
      MessageAttributes: {
        [deadLetterAttributes.reason]: text(reason),
        [deadLetterAttributes.source]: text(source),
      },
    }),
  );
}
