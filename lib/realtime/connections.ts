import { Duration, Stack } from 'aws-cdk-lib';
import { Schedule, ScheduleExpression } from 'aws-cdk-lib/aws-scheduler';
import { LambdaInvoke } from 'aws-cdk-lib/aws-scheduler-targets';
import { Construct } from 'constructs';
import type { authorizerVariables } from '../../lambdas/authorizer/variables.ts';
import type { censusVariables } from '../../lambdas/census/variables.ts';
import type { connectVariables } from '../../lambdas/connect/variables.ts';
import type { disconnectVariables } from '../../lambdas/disconnect/variables.ts';
import { connectionsTable } from '../../lambdas/shared/tables.ts';
import { unwrittenBeatsRecord } from '../../lambdas/shared/unwritten-beats.ts';
import type { VariablesOf } from '../../lambdas/shared/variables.ts';
import type { sweepVariables } from '../../lambdas/sweep/variables.ts';
import type { Environment } from '../config/environment.ts';
import type { Gateway } from './gateway.ts';
import { Handler } from './handler.ts';
import type { ProbeIdentity } from './probe.ts';
import type { Publications } from './publications.ts';
import type { ServiceContext } from './service-context.ts';
import type { Tables } from './tables.ts';
import { frameTimeout } from './timeouts.ts';

// "Amazon API Gateway quotas": requests per second per account and Region, frames of clients and @connections together.
const requestsPerSecond = 10_000;
/** Of this service's share; half of it may be heartbeats of a full house (`settings-rules.ts`), the rest is for messages. */
const noticesShare = 0.25;

export interface ConnectionsProps {
  readonly context: ServiceContext;
  readonly environment: Environment;
  readonly gateway: Gateway;
  readonly tables: Tables;
  readonly publications: Publications;
  readonly probeIdentity: ProbeIdentity;
}

/** The life of a connection: who may connect, who is there, who fell silent. */
export class Connections extends Construct {
  readonly authorizer: Handler;
  readonly connect: Handler;
  readonly disconnect: Handler;
  readonly census: Handler;
  /** Goes over all connections page by page, for playbooks: notices, drain, eviction, leaks. */
  readonly sweep: Handler;

  constructor(scope: Construct, id: string, props: ConnectionsProps) {
    super(scope, id);
    this.authorizer = this.createAuthorizer(props);
    this.connect = this.createConnect(props);
    this.disconnect = this.createDisconnect(props);
    this.census = this.createCensus(props);
    this.sweep = this.createSweep(props);
  }

  private createAuthorizer({ context, environment, tables, probeIdentity }: ConnectionsProps): Handler {
    const { tokens, allowedOrigins, anonymous } = environment;
    const handler = new Handler<VariablesOf<typeof authorizerVariables>>(this, 'AuthorizerFunction', {
      context,
      folder: 'authorizer',
      description: 'checks token and origin of a handshake',
      timeout: frameTimeout,
      variables: {
        TOKEN_ISSUER: tokens.issuer,
        TOKEN_AUDIENCE: tokens.audience,
        JWKS_URL: tokens.jwksUrl,
        ALLOWED_ORIGINS: JSON.stringify(allowedOrigins),
        ANONYMOUS: String(anonymous),
        ...probeIdentity.variables,
        ...tables.controlVariables,
      },
    });
    probeIdentity.allowRead(handler);
    tables.allowControl(handler);
    return handler;
  }

  private createConnect({ context, tables }: ConnectionsProps): Handler {
    const { settings } = context;
    const handler = new Handler<VariablesOf<typeof connectVariables>>(this, 'ConnectFunction', {
      context,
      folder: 'connect',
      description: 'registers a connection within the limits',
      timeout: frameTimeout,
      variables: {
        CONNECTIONS_TABLE: tables.connections.tableName,
        OPERATIONS_TABLE: tables.operations.tableName,
        MAX_CONNECTIONS: String(settings.maxConnections),
        MAX_CONNECTIONS_PER_USER: String(settings.maxConnectionsPerUser),
        MAX_CONNECTIONS_PER_ADDRESS: String(settings.maxConnectionsPerAddress),
      },
    });
    tables.allow(handler, 'connections', 'PutItem');
    const indexes = [connectionsTable.byUser, connectionsTable.byAddress].map(
      index => `${tables.connections.tableArn}/index/${index.name}`,
    );
    handler.allow(['dynamodb:Query'], indexes);
    tables.allow(handler, 'operations', 'BatchGetItem', 'UpdateItem');
    tables.allowControl(handler);
    return handler;
  }

  private createDisconnect({ context, tables }: ConnectionsProps): Handler {
    const handler = new Handler<VariablesOf<typeof disconnectVariables>>(this, 'DisconnectFunction', {
      context,
      folder: 'disconnect',
      description: 'forgets a connection that ended',
      timeout: frameTimeout,
      variables: tables.presenceVariables,
    });
    tables.allowForget(handler);
    tables.allowControl(handler);
    return handler;
  }

  private createCensus({ context, gateway, tables, publications }: ConnectionsProps): Handler {
    const { settings, service, environmentName } = context;
    const handler = new Handler<VariablesOf<typeof censusVariables>>(this, 'CensusFunction', {
      context,
      folder: 'census',
      description: 'counts connections, closes silent ones',
      timeout: Duration.seconds(55),
      variables: {
        ...tables.presenceVariables,
        HEARTBEAT_INTERVAL_SECONDS: String(settings.heartbeatIntervalSeconds),
        HEARTBEAT_GRACE_SECONDS: String(settings.heartbeatGraceSeconds),
        MAX_CONNECTIONS: String(settings.maxConnections),
        CALLBACK_URL: gateway.stage.callbackUrl,
        FAN_OUT_QUEUE_URLS: Stack.of(this).toJsonString(publications.queues.map(queue => queue.queueUrl)),
      },
    });
    tables.allow(handler, 'connections', 'Scan', 'UpdateItem');
    tables.allow(handler, 'operations', 'BatchGetItem');
    tables.allowControl(handler, unwrittenBeatsRecord);
    tables.allowForget(handler);
    publications.allowCount(handler);
    gateway.allowConnections(handler, 'POST', 'GET', 'DELETE');
    // The schedule invokes asynchronously, so the function has retries of its own.
    handler.live.configureAsyncInvoke({ retryAttempts: 0, maxEventAge: Duration.minutes(1) });
    new Schedule(this, 'CensusSchedule', {
      schedule: ScheduleExpression.rate(Duration.minutes(1)),
      // The next one comes in a minute: a late one is worth nothing.
      target: new LambdaInvoke(handler.live, { retryAttempts: 0, maxEventAge: Duration.minutes(1) }),
      description: `${service} ${environmentName}: census`,
    });
    return handler;
  }

  private createSweep({ context, gateway, tables }: ConnectionsProps): Handler {
    const { settings } = context;
    const handler = new Handler<VariablesOf<typeof sweepVariables>>(this, 'SweepFunction', {
      context,
      folder: 'sweep',
      description: 'tells or closes connections, a page at a time',
      timeout: Duration.seconds(60),
      variables: {
        ...tables.presenceVariables,
        HEARTBEAT_INTERVAL_SECONDS: String(settings.heartbeatIntervalSeconds),
        HEARTBEAT_GRACE_SECONDS: String(settings.heartbeatGraceSeconds),
        CALLBACK_URL: gateway.stage.callbackUrl,
        NOTICES_PER_SECOND: String(Math.ceil(noticesShare * settings.requestQuotaShare * requestsPerSecond)),
      },
    });
    tables.allow(handler, 'connections', 'Scan', 'UpdateItem');
    tables.allow(handler, 'operations', 'GetItem', 'PutItem');
    tables.allowForget(handler);
    gateway.allowConnections(handler, 'POST', 'GET', 'DELETE');
    return handler;
  }
}
