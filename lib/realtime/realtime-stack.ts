import { CfnOutput, Duration, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import { HttpApi, HttpMethod, HttpStage } from 'aws-cdk-lib/aws-apigatewayv2';
import { HttpIamAuthorizer } from 'aws-cdk-lib/aws-apigatewayv2-authorizers';
import { HttpLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations';
import type { Table } from 'aws-cdk-lib/aws-dynamodb';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import { Schedule, ScheduleExpression } from 'aws-cdk-lib/aws-scheduler';
import { LambdaInvoke } from 'aws-cdk-lib/aws-scheduler-targets';
import type { Construct } from 'constructs';
import type { authorizerVariables } from '../../lambdas/authorizer/variables.ts';
import type { censusVariables } from '../../lambdas/census/variables.ts';
import type { connectVariables } from '../../lambdas/connect/variables.ts';
import type { fanOutVariables } from '../../lambdas/fan-out/variables.ts';
import type { healthVariables } from '../../lambdas/health/variables.ts';
import type { messageVariables } from '../../lambdas/message/variables.ts';
import type { publishVariables } from '../../lambdas/publish/variables.ts';
import type { presenceVariables } from '../../lambdas/shared/presence.ts';
import { connectionsTable } from '../../lambdas/shared/tables.ts';
import type { VariablesOf } from '../../lambdas/shared/variables.ts';
import { effectiveSettings } from '../config/effective-settings.ts';
import type { Environment } from '../config/environment.ts';
import type { Runbook } from '../runbook/runbook.ts';
import type { Settings } from '../runbook/settings.ts';
import { Gateway } from './gateway.ts';
import { Handler } from './handler.ts';
import { Publications } from './publications.ts';
import { Tables } from './tables.ts';

export interface RealtimeStackProps extends StackProps {
  readonly runbook: Runbook;
  readonly environment: Environment;
}

/** Long enough for a batch to a large channel at the gateway's quota; the queue holds the rest of the channel meanwhile. */
const fanOutTimeout = Duration.seconds(60);
/** API Gateway gives up on an integration after 29 s; a client has given up long before. */
const frameTimeout = Duration.seconds(10);

/** The data path of one service in one environment. */
export class RealtimeStack extends Stack {
  readonly gateway: Gateway;
  readonly tables: Tables;
  readonly publications: Publications;

  private readonly settings: Settings;
  private readonly environmentName: string;
  private readonly service: string;
  private readonly removalPolicy: RemovalPolicy;

  constructor(scope: Construct, id: string, { runbook, environment, ...props }: RealtimeStackProps) {
    super(scope, id, { description: `${runbook.title}: connections, presence, messages`, ...props });
    this.service = runbook.service;
    this.environmentName = environment.name;
    this.settings = effectiveSettings(runbook, environment);
    this.removalPolicy = environment.removalPolicy === 'retain' ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY;

    this.tables = new Tables(this, 'Tables', { removalPolicy: this.removalPolicy });
    this.publications = new Publications(this, 'Publications', {
      consumerTimeout: fanOutTimeout,
      removalPolicy: this.removalPolicy,
    });
    this.gateway = new Gateway(this, 'Gateway', {
      apiName: `${this.service}-${environment.name}`,
      stageName: environment.name,
      requestQuotaShare: this.settings.requestQuotaShare,
    });
    this.gateway.route({
      authorizer: this.authorizer(environment),
      connect: this.connect(),
      disconnect: this.disconnect(),
      message: this.message(),
    });
    this.fanOut();
    this.census();
    const http = this.http();

    new CfnOutput(this, 'WebSocketUrl', { value: this.gateway.stage.url });
    new CfnOutput(this, 'HttpUrl', { value: http.apiEndpoint });
    new CfnOutput(this, 'TokenIssuer', { value: environment.tokens.issuer });
    new CfnOutput(this, 'TokenAudience', { value: environment.tokens.audience });
    new CfnOutput(this, 'JwksUrl', { value: environment.tokens.jwksUrl });
  }

  private get heartbeatVariables() {
    return {
      HEARTBEAT_INTERVAL_SECONDS: String(this.settings.heartbeatIntervalSeconds),
      HEARTBEAT_GRACE_SECONDS: String(this.settings.heartbeatGraceSeconds),
    };
  }

  private get presenceVariables(): VariablesOf<typeof presenceVariables> {
    return {
      CONNECTIONS_TABLE: this.tables.connections.tableName,
      SUBSCRIPTIONS_TABLE: this.tables.subscriptions.tableName,
      OPERATIONS_TABLE: this.tables.operations.tableName,
    };
  }

  private handler<Variables extends Readonly<Record<string, string>>>(
    id: string,
    folder: string,
    description: string,
    timeout: Duration,
    variables: Variables,
  ): Handler {
    return new Handler(this, id, {
      folder,
      description: `${this.service} ${this.environmentName}: ${description}`,
      service: this.service,
      timeout,
      variables,
      memorySize: this.settings.functionMemoryMegabytes,
      removalPolicy: this.removalPolicy,
    });
  }

  private allow(handler: Handler, table: Table, ...actions: string[]): void {
    // `table.grant` would add every index of the table.
    const resources = [table.tableArn];
    handler.addToRolePolicy(new PolicyStatement({ actions: actions.map(action => `dynamodb:${action}`), resources }));
  }

  private allowConnections(handler: Handler, ...methods: ('POST' | 'DELETE')[]): void {
    const resources = methods.map(method => this.gateway.connectionsArn(method));
    handler.addToRolePolicy(new PolicyStatement({ actions: ['execute-api:ManageConnections'], resources }));
  }

  /** What `forget` needs: the item, its subscriptions, the count. */
  private allowForget(handler: Handler): void {
    this.allow(handler, this.tables.connections, 'DeleteItem');
    this.allow(handler, this.tables.subscriptions, 'BatchWriteItem');
    this.allow(handler, this.tables.operations, 'UpdateItem');
  }

  private authorizer({ tokens, allowedOrigins, anonymous }: Environment): Handler {
    return this.handler<VariablesOf<typeof authorizerVariables>>(
      'AuthorizerFunction',
      'authorizer',
      'checks token and origin of a handshake',
      frameTimeout,
      {
        TOKEN_ISSUER: tokens.issuer,
        TOKEN_AUDIENCE: tokens.audience,
        JWKS_URL: tokens.jwksUrl,
        ALLOWED_ORIGINS: JSON.stringify(allowedOrigins),
        ANONYMOUS: String(anonymous),
      },
    );
  }

  private connect(): Handler {
    const handler = this.handler<VariablesOf<typeof connectVariables>>(
      'ConnectFunction',
      'connect',
      'registers a connection within the limits',
      frameTimeout,
      {
        CONNECTIONS_TABLE: this.tables.connections.tableName,
        OPERATIONS_TABLE: this.tables.operations.tableName,
        MAX_CONNECTIONS: String(this.settings.maxConnections),
        MAX_CONNECTIONS_PER_USER: String(this.settings.maxConnectionsPerUser),
        MAX_CONNECTIONS_PER_ADDRESS: String(this.settings.maxConnectionsPerAddress),
      },
    );
    this.allow(handler, this.tables.connections, 'PutItem');
    const indexes = [connectionsTable.byUser, connectionsTable.byAddress].map(
      index => `${this.tables.connections.tableArn}/index/${index.name}`,
    );
    handler.addToRolePolicy(new PolicyStatement({ actions: ['dynamodb:Query'], resources: indexes }));
    this.allow(handler, this.tables.operations, 'BatchGetItem', 'UpdateItem');
    return handler;
  }

  private disconnect(): Handler {
    const handler = this.handler(
      'DisconnectFunction',
      'disconnect',
      'forgets a connection that ended',
      frameTimeout,
      this.presenceVariables,
    );
    this.allowForget(handler);
    return handler;
  }

  private message(): Handler {
    const handler = this.handler<VariablesOf<typeof messageVariables>>(
      'MessageFunction',
      'message',
      'answers the frames of clients',
      frameTimeout,
      {
        ...this.heartbeatVariables,
        CONNECTIONS_TABLE: this.tables.connections.tableName,
        SUBSCRIPTIONS_TABLE: this.tables.subscriptions.tableName,
        MESSAGES_TABLE: this.tables.messages.tableName,
        OPERATIONS_TABLE: this.tables.operations.tableName,
        PUBLICATIONS_QUEUE_URL: this.publications.queue.queueUrl,
        CALLBACK_URL: this.gateway.stage.callbackUrl,
        MAX_MESSAGE_BYTES: String(this.settings.maxMessageBytes),
        MAX_CHANNELS_PER_CONNECTION: String(this.settings.maxChannelsPerConnection),
        MAX_FRAMES_PER_SECOND: String(this.settings.maxFramesPerSecond),
        RETENTION_SECONDS: String(this.settings.retentionSeconds),
      },
    );
    this.allow(handler, this.tables.connections, 'UpdateItem', 'BatchGetItem');
    this.allow(handler, this.tables.subscriptions, 'PutItem', 'DeleteItem', 'Query');
    this.allow(handler, this.tables.messages, 'GetItem', 'Query');
    this.allow(handler, this.tables.operations, 'UpdateItem');
    this.allowPublish(handler);
    this.allowConnections(handler, 'POST', 'DELETE');
    return handler;
  }

  private allowPublish(handler: Handler): void {
    this.publications.queue.grant(handler, 'sqs:SendMessage');
  }

  private fanOut(): void {
    const handler = this.handler<VariablesOf<typeof fanOutVariables>>(
      'FanOutFunction',
      'fan-out',
      'logs messages and posts them to the subscribers',
      fanOutTimeout,
      {
        ...this.presenceVariables,
        MESSAGES_TABLE: this.tables.messages.tableName,
        CALLBACK_URL: this.gateway.stage.callbackUrl,
        PUBLICATIONS_QUEUE_URL: this.publications.queue.queueUrl,
        RETENTION_SECONDS: String(this.settings.retentionSeconds),
        POST_TIMEOUT_SECONDS: String(this.settings.postTimeoutSeconds),
        POST_PARALLELISM: String(this.settings.postParallelism),
      },
    );
    this.allow(handler, this.tables.messages, 'GetItem', 'Query', 'PutItem', 'UpdateItem');
    this.allow(handler, this.tables.subscriptions, 'Query', 'DeleteItem');
    this.allowForget(handler);
    this.allowConnections(handler, 'POST', 'DELETE');
    handler.addEventSource(
      new SqsEventSource(this.publications.queue, {
        batchSize: 10,
        maxConcurrency: this.settings.fanOutConcurrency,
        reportBatchItemFailures: true,
      }),
    );
  }

  private census(): void {
    const handler = this.handler<VariablesOf<typeof censusVariables>>(
      'CensusFunction',
      'census',
      'counts connections, closes silent ones',
      Duration.seconds(55),
      { ...this.presenceVariables, ...this.heartbeatVariables, CALLBACK_URL: this.gateway.stage.callbackUrl },
    );
    this.allow(handler, this.tables.connections, 'Scan', 'UpdateItem');
    this.allow(handler, this.tables.operations, 'BatchGetItem');
    this.allowForget(handler);
    this.allowConnections(handler, 'DELETE');
    // The schedule invokes asynchronously, so the function has retries of its own.
    handler.configureAsyncInvoke({ retryAttempts: 0, maxEventAge: Duration.minutes(1) });
    new Schedule(this, 'CensusSchedule', {
      schedule: ScheduleExpression.rate(Duration.minutes(1)),
      // The next one comes in a minute: a late one is worth nothing.
      target: new LambdaInvoke(handler, { retryAttempts: 0, maxEventAge: Duration.minutes(1) }),
      description: `${this.service} ${this.environmentName}: census`,
    });
  }

  private http(): HttpApi {
    const api = new HttpApi(this, 'HttpApi', {
      apiName: `${this.service}-${this.environmentName}-http`,
      description: 'Servers publish here; health',
      createDefaultStage: false,
    });
    new HttpStage(this, 'HttpStage', {
      httpApi: api,
      autoDeploy: true,
      detailedMetricsEnabled: true,
      throttle: { rateLimit: 1_000, burstLimit: 500 },
    });
    const publish = this.handler<VariablesOf<typeof publishVariables>>(
      'PublishFunction',
      'publish',
      'takes messages from servers',
      frameTimeout,
      {
        PUBLICATIONS_QUEUE_URL: this.publications.queue.queueUrl,
        MAX_MESSAGE_BYTES: String(this.settings.maxMessageBytes),
      },
    );
    this.allowPublish(publish);
    api.addRoutes({
      path: '/channels/{channel}/messages',
      methods: [HttpMethod.POST],
      integration: new HttpLambdaIntegration('Publish', publish),
      authorizer: new HttpIamAuthorizer(),
    });
    const health = this.handler<VariablesOf<typeof healthVariables>>(
      'HealthFunction',
      'health',
      'answers health checks',
      frameTimeout,
      { OPERATIONS_TABLE: this.tables.operations.tableName },
    );
    this.allow(health, this.tables.operations, 'BatchGetItem');
    api.addRoutes({
      path: '/health',
      methods: [HttpMethod.GET],
      integration: new HttpLambdaIntegration('Health', health),
    });
    return api;
  }
}
