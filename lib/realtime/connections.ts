import { Duration } from 'aws-cdk-lib';
import { Schedule, ScheduleExpression } from 'aws-cdk-lib/aws-scheduler';
import { LambdaInvoke } from 'aws-cdk-lib/aws-scheduler-targets';
import { Construct } from 'constructs';
import type { authorizerVariables } from '../../lambdas/authorizer/variables.ts';
import type { censusVariables } from '../../lambdas/census/variables.ts';
import type { connectVariables } from '../../lambdas/connect/variables.ts';
import type { presenceVariables } from '../../lambdas/shared/presence.ts';
import { connectionsTable } from '../../lambdas/shared/tables.ts';
import type { VariablesOf } from '../../lambdas/shared/variables.ts';
import type { Environment } from '../config/environment.ts';
import type { Gateway } from './gateway.ts';
import { Handler } from './handler.ts';
import type { ServiceContext } from './service-context.ts';
import type { Tables } from './tables.ts';
import { frameTimeout } from './timeouts.ts';

export interface ConnectionsProps {
  readonly context: ServiceContext;
  readonly environment: Environment;
  readonly gateway: Gateway;
  readonly tables: Tables;
}

/** The life of a connection: who may connect, who is there, who fell silent. */
export class Connections extends Construct {
  readonly authorizer: Handler;
  readonly connect: Handler;
  readonly disconnect: Handler;
  readonly census: Handler;

  constructor(scope: Construct, id: string, props: ConnectionsProps) {
    super(scope, id);
    this.authorizer = this.createAuthorizer(props);
    this.connect = this.createConnect(props);
    this.disconnect = this.createDisconnect(props);
    this.census = this.createCensus(props);
  }

  private createAuthorizer({ context, environment }: ConnectionsProps): Handler {
    const { tokens, allowedOrigins, anonymous } = environment;
    return new Handler<VariablesOf<typeof authorizerVariables>>(this, 'AuthorizerFunction', {
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
      },
    });
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
    return handler;
  }

  private createDisconnect({ context, tables }: ConnectionsProps): Handler {
    const handler = new Handler<VariablesOf<typeof presenceVariables>>(this, 'DisconnectFunction', {
      context,
      folder: 'disconnect',
      description: 'forgets a connection that ended',
      timeout: frameTimeout,
      variables: tables.presenceVariables,
    });
    tables.allowForget(handler);
    return handler;
  }

  private createCensus({ context, gateway, tables }: ConnectionsProps): Handler {
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
        CALLBACK_URL: gateway.stage.callbackUrl,
      },
    });
    tables.allow(handler, 'connections', 'Scan', 'UpdateItem');
    tables.allow(handler, 'operations', 'BatchGetItem');
    tables.allowForget(handler);
    gateway.allowConnections(handler, 'DELETE');
    // The schedule invokes asynchronously, so the function has retries of its own.
    handler.configureAsyncInvoke({ retryAttempts: 0, maxEventAge: Duration.minutes(1) });
    new Schedule(this, 'CensusSchedule', {
      schedule: ScheduleExpression.rate(Duration.minutes(1)),
      // The next one comes in a minute: a late one is worth nothing.
      target: new LambdaInvoke(handler, { retryAttempts: 0, maxEventAge: Duration.minutes(1) }),
      description: `${service} ${environmentName}: census`,
    });
    return handler;
  }
}
