import { CfnOutput, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { effectiveSettings } from '../config/effective-settings.ts';
import type { Environment } from '../config/environment.ts';
import type { Runbook } from '../runbook/runbook.ts';
import { Connections } from './connections.ts';
import { Gateway } from './gateway.ts';
import type { Handler } from './handler.ts';
import { Messages } from './messages.ts';
import { Probe, ProbeIdentity } from './probe.ts';
import { ServerApi } from './server-api.ts';
import type { ServiceContext } from './service-context.ts';
import { Tables } from './tables.ts';

export interface RealtimeStackProps extends StackProps {
  readonly runbook: Runbook;
  readonly environment: Environment;
}

/** The data path of one service in one environment. */
export class RealtimeStack extends Stack {
  readonly context: ServiceContext;
  readonly gateway: Gateway;
  readonly tables: Tables;
  readonly connections: Connections;
  readonly messages: Messages;
  readonly probe: Probe;
  readonly probeIdentity: ProbeIdentity;
  /** Whose tokens clients bring. */
  readonly tokens: Environment['tokens'];
  readonly serverApi: ServerApi;

  constructor(scope: Construct, id: string, { runbook, environment, ...props }: RealtimeStackProps) {
    super(scope, id, { description: `${runbook.title}: connections, presence, messages`, ...props });
    this.context = {
      service: runbook.service,
      environmentName: environment.name,
      settings: effectiveSettings(runbook, environment),
      removalPolicy: environment.removalPolicy === 'retain' ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    };
    this.tokens = environment.tokens;
    const { context } = this;

    this.tables = new Tables(this, 'Tables', { removalPolicy: context.removalPolicy });
    this.gateway = new Gateway(this, 'Gateway', {
      apiName: `${runbook.service}-${environment.name}`,
      stageName: environment.name,
      requestQuotaShare: context.settings.requestQuotaShare,
    });
    const { gateway, tables } = this;
    this.messages = new Messages(this, 'Messages', { context, gateway, tables });
    const { publications } = this.messages;
    this.probeIdentity = new ProbeIdentity(this, 'ProbeIdentity', context);
    const { probeIdentity } = this;
    this.connections = new Connections(this, 'Connections', {
      context,
      environment,
      gateway,
      tables,
      publications,
      probeIdentity,
    });
    this.probe = new Probe(this, 'Probe', { context, gateway, tables, identity: probeIdentity });
    this.serverApi = new ServerApi(this, 'Server', { context, tables, publications });
    gateway.route({
      authorizer: this.connections.authorizer,
      connect: this.connections.connect,
      disconnect: this.connections.disconnect,
      message: this.messages.message,
    });

    new CfnOutput(this, 'WebSocketUrl', { value: gateway.stage.url });
    new CfnOutput(this, 'HttpUrl', { value: this.serverApi.api.apiEndpoint });
    new CfnOutput(this, 'TokenIssuer', { value: environment.tokens.issuer });
    new CfnOutput(this, 'TokenAudience', { value: environment.tokens.audience });
    new CfnOutput(this, 'JwksUrl', { value: environment.tokens.jwksUrl });
  }

  /** Every function; a release is a version of each that it changed. */
  get functions(): readonly Handler[] {
    const { authorizer, connect, disconnect, census, sweep } = this.connections;
    const { message, fanOut } = this.messages;
    const { publish, health } = this.serverApi;
    return [authorizer, connect, disconnect, census, sweep, message, fanOut, publish, health, this.probe.handler];
  }
}
