import { Match } from 'aws-cdk-lib/assertions';
import { environments, realtimeTemplate, services, withoutAssetHashes } from './templates.ts';

describe('snapshots', () => {
  it.each(services.flatMap(service => environments.map(env => [service, env])))('%s in %s', async (service, env) => {
    expect(withoutAssetHashes(await realtimeTemplate(service, env))).toMatchSnapshot();
  });
});

describe('every template', () => {
  const all = services.flatMap(service => environments.map(env => ({ service, env })));

  it.each(all)(
    '$service in $env sets the throttle of each stage, since metrics alone would refuse every request',
    async ({ service, env }) => {
      const template = await realtimeTemplate(service, env);
      const stages = Object.values(template.findResources('AWS::ApiGatewayV2::Stage'));
      expect(stages).toHaveLength(2);
      for (const { Properties } of stages) {
        expect(Properties.DefaultRouteSettings.ThrottlingRateLimit).toBeGreaterThan(0);
        expect(Properties.DefaultRouteSettings.ThrottlingBurstLimit).toBeGreaterThan(0);
      }
    },
  );

  it.each(all)(
    '$service in $env gives no role a wildcard action, and a wildcard resource only below its own API',
    async ({ service, env }) => {
      const template = await realtimeTemplate(service, env);
      for (const { Properties } of Object.values(template.findResources('AWS::IAM::Policy'))) {
        for (const statement of Properties.PolicyDocument.Statement) {
          for (const action of [statement.Action].flat()) expect(action).not.toContain('*');
          for (const resource of [statement.Resource].flat()) {
            const text = JSON.stringify(resource);
            expect(resource).not.toBe('*');
            if (text.includes('*')) expect(text).toMatch(/@connections\/\*|:\*/);
          }
        }
      }
    },
  );

  it.each(all)(
    '$service in $env hides a message for six times as long as its consumer may take',
    async ({ service, env }) => {
      const template = await realtimeTemplate(service, env);
      const functions = template.findResources('AWS::Lambda::Function', {
        Properties: { Description: Match.stringLikeRegexp('logs messages') },
      });
      const [fanOut] = Object.values(functions);
      template.hasResourceProperties('AWS::SQS::Queue', {
        FifoQueue: true,
        VisibilityTimeout: 6 * fanOut?.Properties.Timeout,
        RedrivePolicy: Match.objectLike({ maxReceiveCount: 1000 }),
      });
    },
  );

  it('keeps its tables and queues in prod, and only there', async () => {
    const kept = async (env: string) => {
      const template = await realtimeTemplate('chat-backend', env);
      return ['AWS::DynamoDB::Table', 'AWS::SQS::Queue'].flatMap(type =>
        Object.values(template.findResources(type)).map(({ DeletionPolicy }) => DeletionPolicy),
      );
    };
    expect(new Set(await kept('prod'))).toEqual(new Set(['Retain']));
    expect(new Set(await kept('dev'))).toEqual(new Set(['Delete']));
  });

  it('asks the authorizer also where a header is missing, since browsers cannot set one', async () => {
    const template = await realtimeTemplate('archon', 'prod');
    template.hasResourceProperties('AWS::ApiGatewayV2::Authorizer', { AuthorizerType: 'REQUEST', IdentitySource: [] });
  });

  it('answers frames on the same connection', async () => {
    const template = await realtimeTemplate('archon', 'prod');
    template.hasResourceProperties('AWS::ApiGatewayV2::Route', {
      RouteKey: '$default',
      RouteResponseSelectionExpression: '$default',
    });
    template.resourceCountIs('AWS::ApiGatewayV2::RouteResponse', 1);
  });
});

describe('figures of the runbooks', () => {
  const variablesOf = async (service: string, description: string) => {
    const template = await realtimeTemplate(service, 'prod');
    const [found] = Object.values(
      template.findResources('AWS::Lambda::Function', {
        Properties: { Description: Match.stringLikeRegexp(description) },
      }),
    );
    return { variables: found?.Properties.Environment.Variables, memory: found?.Properties.MemorySize };
  };

  it.each([
    ['archon', { HEARTBEAT_INTERVAL_SECONDS: '30', HEARTBEAT_GRACE_SECONDS: '10' }],
    ['chat-backend', { HEARTBEAT_INTERVAL_SECONDS: '25', HEARTBEAT_GRACE_SECONDS: '25' }],
    ['vitalstream', { HEARTBEAT_INTERVAL_SECONDS: '30', HEARTBEAT_GRACE_SECONDS: '270' }],
  ])('%s judges silence by its own heartbeat', async (service, expected) => {
    expect((await variablesOf(service, 'answers the frames')).variables).toMatchObject(expected);
    expect((await variablesOf(service, 'counts connections')).variables).toMatchObject(expected);
  });

  it.each([
    ['archon', '10000'],
    ['vitalstream', '10000'],
  ])('%s admits %s connections', async (service, MAX_CONNECTIONS) => {
    expect((await variablesOf(service, 'registers')).variables).toMatchObject({ MAX_CONNECTIONS });
  });

  it('gives archon 5 s for a post, and dojopool 2048 MB', async () => {
    expect((await variablesOf('archon', 'logs messages')).variables).toMatchObject({ POST_TIMEOUT_SECONDS: '5' });
    expect((await variablesOf('dojopool', 'answers the frames')).memory).toBe(2048);
  });
});

describe('anonymous clients', () => {
  const anonymousOf = (template: Awaited<ReturnType<typeof realtimeTemplate>>) => {
    const [authorizer] = Object.values(
      template.findResources('AWS::Lambda::Function', {
        Properties: { Description: Match.stringLikeRegexp('checks token') },
      }),
    );
    return authorizer?.Properties.Environment.Variables.ANONYMOUS;
  };

  it('are admitted in dev where asked for, and nowhere else', async () => {
    expect(anonymousOf(await realtimeTemplate('matchbook', 'dev', { anonymous: true }))).toBe('true');
    for (const env of environments) expect(anonymousOf(await realtimeTemplate('matchbook', env))).toBe('false');
  });

  it.each(['staging', 'prod'])('cannot be asked for in %s', async env => {
    await expect(realtimeTemplate('matchbook', env, { anonymous: true })).rejects.toThrow(/anonymous/);
  });
});
