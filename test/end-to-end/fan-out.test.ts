import { ListQueuesCommand, ReceiveMessageCommand, SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { TestClient } from './client.ts';
import { type LocalService, startLocalService } from './local-service.ts';

jest.setTimeout(60_000);

interface Template {
  readonly Resources: Record<string, { readonly Type: string; readonly Properties: FunctionProperties }>;
}
interface FunctionProperties {
  readonly Environment?: { readonly Variables: Record<string, unknown> };
}

let service: LocalService;
let sqs: SQSClient;
const clients: TestClient[] = [];

async function connect(user: string): Promise<TestClient> {
  const client = await TestClient.connect(service.endpoints.websocketUrl, await service.token({ user }));
  clients.push(client);
  return client;
}

/** URL of the queue whose name has this part. */
async function queueUrl(part: string): Promise<string> {
  const { QueueUrls = [] } = await sqs.send(new ListQueuesCommand({}));
  const url = QueueUrls.find(url => url.includes(part));
  if (!url) throw new Error(`no ${part} among ${QueueUrls.join(' ')}`);
  return url;
}

beforeAll(async () => {
  service = await startLocalService({
    service: 'matchbook',
    // Channels are large from three subscribers on.
    change(template) {
      for (const { Properties } of Object.values((template as unknown as Template).Resources)) {
        const variables = Properties?.Environment?.Variables;
        if (variables?.SHARD_SIZE !== undefined) variables.SHARD_SIZE = '3';
      }
    },
  });
  const { awsUrl, region } = service.endpoints;
  sqs = new SQSClient({ endpoint: awsUrl, region, credentials: service.developer, useQueueUrlAsEndpoint: false });
});
afterEach(async () => {
  await Promise.all(clients.splice(0).map(client => client.close()));
});
afterAll(async () => {
  sqs?.destroy();
  await service?.end();
});

it('a channel that becomes large reaches all of its subscribers over its shards, in order', async () => {
  const channel = 'large';
  const subscribers: TestClient[] = [];
  const publish = async (id: string) => subscribers[0]?.ask({ action: 'publish', channel, id, data: id });
  const join = async (user: string) => {
    const client = await connect(user);
    await client.ask({ action: 'subscribe', channel });
    subscribers.push(client);
  };
  const seen = (client: TestClient, id: string) =>
    client.until(() => client.messages(channel).find(message => message.id === id), id);
  for (const user of ['ann', 'bob', 'carol']) await join(user);
  await publish('m1');
  await Promise.all(subscribers.map(client => seen(client, 'm1')));
  for (const user of ['dave', 'erin', 'frank', 'grace']) await join(user);
  for (const id of ['m2', 'm3', 'm4', 'm5']) await publish(id);
  await Promise.all(subscribers.map(client => seen(client, 'm5')));
  for (const [n, client] of subscribers.entries()) {
    const ids = client.messages(channel).map(({ id }) => id);
    expect(ids).toEqual([...(n < 3 ? ['m1'] : []), 'm2', 'm3', 'm4', 'm5']);
    const messages = client.messages(channel);
    for (const [at, { previous }] of messages.entries()) if (at > 0) expect(previous).toBe(messages[at - 1]?.cursor);
  }
  const { members } = (await subscribers[0]?.ask({ action: 'presence', channel })) ?? {};
  expect(members).toHaveLength(7);
});

it('what can never be delivered has its place at the subscribers, also when it is replayed, and is put away', async () => {
  const channel = 'broken';
  const [publisher, subscriber] = await Promise.all([connect('ann'), connect('bob')]);
  await subscriber.ask({ action: 'subscribe', channel });
  const first = await publisher.ask({ action: 'publish', channel, id: 'm1', data: 1 });
  await sqs.send(
    new SendMessageCommand({
      QueueUrl: await queueUrl('PublicationsQueue'),
      MessageBody: '{"not": "a publication"}',
      MessageGroupId: channel,
      MessageDeduplicationId: 'broken',
    }),
  );
  await publisher.ask({ action: 'publish', channel, id: 'm2', data: 2 });
  const undeliverable = await subscriber.frame({ type: 'undeliverable', channel });
  expect(undeliverable.previous).toBe(first.cursor);
  const last = await subscriber.frame({ type: 'message', id: 'm2' });
  expect(last.previous).toBe(undeliverable.cursor);

  const back = await connect('carol');
  await back.ask({ action: 'subscribe', channel, since: first.cursor });
  expect(back.received.slice(0, 2)).toEqual([undeliverable, { ...last, replay: true }]);

  const { Messages = [] } = await sqs.send(
    new ReceiveMessageCommand({
      QueueUrl: await queueUrl('PublicationsDeadLetters'),
      WaitTimeSeconds: 20,
      MessageAttributeNames: ['All'],
    }),
  );
  expect(Messages).toMatchObject([
    { Body: '{"not": "a publication"}', MessageAttributes: { Reason: { StringValue: 'unreadable' } } },
  ]);
});
