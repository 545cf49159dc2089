import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SQSClient } from '@aws-sdk/client-sqs';
import type { Declaration, Place, Resource } from '../../local/assembly/resource.ts';
import { identities } from '../../local/sqs/identities.ts';
import { startSqs } from '../../local/sqs/service.ts';
import { openFrontDoor } from '../local/sqs/front-door.ts';

const place: Place = { partition: 'aws', account: '123456789012', region: 'eu-central-1' };

export interface LocalQueues {
  readonly client: SQSClient;
  /** URL by name. */
  readonly urls: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/** FIFO queues in an SQS of their own, with deduplication within a group as the service's have it. */
export async function startQueues(...names: string[]): Promise<LocalQueues> {
  const stateDirectory = mkdtempSync(join(tmpdir(), 'steadysocket-queues-'));
  const resources = names.map((logicalId): Resource => {
    const type = 'AWS::SQS::Queue';
    const properties = {
      FifoQueue: true,
      DeduplicationScope: 'messageGroup',
      FifoThroughputLimit: 'perMessageGroupId',
    };
    const declaration: Declaration = {
      stack: 'test',
      logicalId,
      property: name => (properties as Record<string, unknown>)[name],
    };
    const identity = identities[type]?.(declaration, place);
    if (!identity) throw new Error(`no identity for ${type}`);
    return { stack: 'test', logicalId, type, properties, ...identity };
  });
  const sqs = await startSqs({
    resources,
    place,
    stateDirectory,
    authorization: { authorize: async () => {} },
    log: () => {},
  });
  const door = await openFrontDoor(sqs, 'sqs', { kind: 'role', arn: 'arn:aws:iam::123456789012:role/FanOut' });
  const client = new SQSClient({
    endpoint: door.url,
    region: place.region,
    credentials: { accessKeyId: 'key', secretAccessKey: 'secret' },
    useQueueUrlAsEndpoint: false,
    maxAttempts: 1,
  });
  return {
    client,
    urls: Object.fromEntries(resources.map(({ logicalId, physicalId }) => [logicalId, physicalId])),
    async close() {
      client.destroy();
      await door.close();
      await sqs.close();
      rmSync(stateDirectory, { recursive: true, force: true });
    },
  };
}
