import { setTimeout } from 'node:timers/promises';
import { refusedStatus, TestClient } from './client.ts';
import { type LocalService, startLocalService, type TemplateChange } from './local-service.ts';

jest.setTimeout(60_000);

type Statement = { Action: string | string[]; Resource: unknown };
type Resources = Record<string, { Type: string; Properties: Record<string, unknown> }>;

/** Takes an action out of the policy of the role whose logical id holds this. */
const withoutAction =
  (role: string, action: string): TemplateChange =>
  template => {
    let taken = 0;
    for (const [logicalId, { Type, Properties }] of Object.entries(template.Resources as Resources)) {
      if (Type !== 'AWS::IAM::Policy' || !logicalId.includes(role)) continue;
      const document = Properties.PolicyDocument as { Statement: Statement[] };
      for (const statement of document.Statement) {
        const actions = [statement.Action].flat();
        taken += actions.filter(name => name === action).length;
        statement.Action = actions.filter(name => name !== action);
      }
      document.Statement = document.Statement.filter(({ Action }) => Action.length > 0);
    }
    if (taken === 0) throw new Error(`${role} has no ${action} to take`);
  };

const withoutResource =
  (type: string, logicalId: RegExp): TemplateChange =>
  template => {
    const resources = template.Resources as Resources;
    const found = Object.keys(resources).filter(name => resources[name]?.Type === type && logicalId.test(name));
    if (found.length !== 1) throw new Error(`${found.length} resources match`);
    for (const name of found) delete resources[name];
  };

let service: LocalService | undefined;
const start = async (change: TemplateChange) => {
  service = await startLocalService({ service: 'archon', change });
  return service;
};
afterEach(async () => {
  await service?.end();
  service = undefined;
});

describe('without one permission, the call is denied and the log names it', () => {
  it('dynamodb:PutItem of the message function', async () => {
    const running = await start(withoutAction('MessageFunction', 'dynamodb:PutItem'));
    const client = await TestClient.connect(running.endpoints.websocketUrl, await running.token());
    expect(await client.ask({ action: 'subscribe', channel: 'a' })).toMatchObject({ type: 'error', code: 'internal' });
    await running.logged('not authorized to perform: dynamodb:PutItem', 'MessageFunction');
    // The others are untouched.
    expect(await client.ask({ action: 'publish', channel: 'a', id: '1', data: 1 })).toMatchObject({ type: 'accepted' });
    await client.close();
  });

  it('sqs:SendMessage of the message function', async () => {
    const running = await start(withoutAction('MessageFunction', 'sqs:SendMessage'));
    const client = await TestClient.connect(running.endpoints.websocketUrl, await running.token());
    expect(await client.ask({ action: 'publish', channel: 'a', id: '1', data: 1 })).toMatchObject({
      code: 'unavailable',
    });
    await running.logged('not authorized to perform: sqs:SendMessage');
    await client.close();
  });

  it('sqs:ReceiveMessage of the fan-out function: the event source does not start', async () => {
    await expect(start(withoutAction('FanOutFunction', 'sqs:ReceiveMessage'))).rejects.toThrow(
      /not authorized to perform: sqs:ReceiveMessage/i,
    );
  });

  it('execute-api:ManageConnections of the fan-out function', async () => {
    const running = await start(withoutAction('FanOutFunction', 'execute-api:ManageConnections'));
    const client = await TestClient.connect(running.endpoints.websocketUrl, await running.token());
    await client.ask({ action: 'subscribe', channel: 'a' });
    await client.ask({ action: 'publish', channel: 'a', id: '1', data: 1 });
    await running.logged('not authorized to perform: execute-api:ManageConnections', 'FanOutFunction');
    // It can neither be posted to nor closed: so its next heartbeat tells it to fetch what it misses.
    await running.logged('connection not closed, its next heartbeat is answered with resync', 'FanOutFunction');
    // The mark is written after that line.
    let answer = await client.ask({ action: 'heartbeat' });
    while (answer.type === 'heartbeat') {
      await setTimeout(200);
      answer = await client.ask({ action: 'heartbeat' });
    }
    expect(answer).toMatchObject({ type: 'resync', channel: 'a' });
    expect(client.messages('a')).toEqual([]);
    await client.close();
  });

  it('the permission of the gateway to invoke the connect function', async () => {
    const running = await start(withoutResource('AWS::Lambda::Permission', /connectRouteConnectPermission/));
    const { websocketUrl } = running.endpoints;
    const protocols = ['steadysocket.v1', `bearer.${await running.token()}`];
    expect(await refusedStatus(websocketUrl, protocols)).toBe(500);
    await running.logged('lambda:InvokeFunction', 'ConnectFunction');
  });
});

describe('what cannot be run is named at start', () => {
  it('a resource type', async () => {
    const change: TemplateChange = template => {
      (template.Resources as Resources).Cache = { Type: 'AWS::ElastiCache::CacheCluster', Properties: {} };
    };
    await expect(start(change)).rejects.toThrow('archon-dev-Realtime.Cache is of type AWS::ElastiCache::CacheCluster');
  });

  it('a property', async () => {
    const change: TemplateChange = template => {
      const resources = Object.values(template.Resources as Resources);
      const fn = resources.find(({ Type }) => Type === 'AWS::Lambda::Function');
      if (fn) fn.Properties.VpcConfig = { SubnetIds: ['subnet-1'] };
    };
    await expect(start(change)).rejects.toThrow(/VpcConfig/);
  });
});
