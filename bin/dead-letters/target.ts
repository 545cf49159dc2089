import { ListQueuesCommand, SQSClient } from '@aws-sdk/client-sqs';
import { onThisMachine } from '../this-machine.ts';

/** Where dead letters are looked for. */
export interface Target {
  readonly client: SQSClient;
  readonly queueUrls: readonly string[];
}

// "Queue URL" in the Amazon SQS developer guide.
const awsQueue = /^https:\/\/sqs\.([a-z0-9-]+)\.amazonaws\.com(\.cn)?\/\d{12}\/[\w-]+\.fifo$/;

/**
 * A queue on AWS, with the credentials that the AWS SDK finds.
 * @throws Error where the URL is none of a FIFO queue
 */
export function onAws(queueUrl: string): Target {
  const [, region] = awsQueue.exec(queueUrl) ?? [];
  if (!region)
    throw new Error(
      `${queueUrl} is no URL of a FIFO queue; expected https://sqs.<region>.amazonaws.com/<account>/<name>.fifo`,
    );
  return { client: new SQSClient({ region }), queueUrls: [queueUrl] };
}

/**
 * All dead-letter queues of the environment that runs on this machine.
 * @throws Error where none runs with this state directory
 */
export async function allOnThisMachine(stateDirectory: string): Promise<Target> {
  const { configuration } = await onThisMachine(stateDirectory, '--queue');
  const client = new SQSClient({ ...configuration, useQueueUrlAsEndpoint: false });
  const { QueueUrls = [] } = await client.send(new ListQueuesCommand({}));
  return { client, queueUrls: QueueUrls.filter(url => url.includes('DeadLetters')) };
}
