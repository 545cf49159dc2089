import { HttpApi, HttpMethod, HttpStage } from 'aws-cdk-lib/aws-apigatewayv2';
import { HttpIamAuthorizer } from 'aws-cdk-lib/aws-apigatewayv2-authorizers';
import { HttpLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations';
import { Construct } from 'constructs';
import type { healthVariables } from '../../lambdas/health/variables.ts';
import type { publishVariables } from '../../lambdas/publish/variables.ts';
import type { VariablesOf } from '../../lambdas/shared/variables.ts';
import { Handler } from './handler.ts';
import type { Publications } from './publications.ts';
import type { ServiceContext } from './service-context.ts';
import type { Tables } from './tables.ts';
import { frameTimeout } from './timeouts.ts';

export interface ServerApiProps {
  readonly context: ServiceContext;
  readonly tables: Tables;
  readonly publications: Publications;
}

/** The HTTP API: servers publish here, load balancers and people ask for health. */
export class ServerApi extends Construct {
  readonly api: HttpApi;
  readonly stage: HttpStage;
  readonly publish: Handler;
  readonly health: Handler;

  constructor(scope: Construct, id: string, props: ServerApiProps) {
    super(scope, id);
    const { service, environmentName } = props.context;
    this.api = new HttpApi(this, 'Api', {
      apiName: `${service}-${environmentName}-http`,
      description: 'Servers publish here; health',
      createDefaultStage: false,
    });
    this.stage = new HttpStage(this, 'Stage', {
      httpApi: this.api,
      autoDeploy: true,
      detailedMetricsEnabled: true,
      throttle: { rateLimit: 1_000, burstLimit: 500 },
    });
    this.publish = this.createPublish(props);
    this.health = this.createHealth(props);
  }

  private createPublish({ context, publications, tables }: ServerApiProps): Handler {
    const handler = new Handler<VariablesOf<typeof publishVariables>>(this, 'PublishFunction', {
      context,
      folder: 'publish',
      description: 'takes messages from servers',
      timeout: frameTimeout,
      variables: {
        PUBLICATIONS_QUEUE_URL: publications.queue.queueUrl,
        ...tables.controlVariables,
        MAX_MESSAGE_BYTES: String(context.settings.maxMessageBytes),
      },
    });
    publications.allowSend(handler);
    tables.allowTurns(handler);
    tables.allowControl(handler);
    this.api.addRoutes({
      path: '/channels/{channel}/messages',
      methods: [HttpMethod.POST],
      integration: new HttpLambdaIntegration('Publish', handler.live),
      authorizer: new HttpIamAuthorizer(),
    });
    return handler;
  }

  private createHealth({ context, tables }: ServerApiProps): Handler {
    const handler = new Handler<VariablesOf<typeof healthVariables>>(this, 'HealthFunction', {
      context,
      folder: 'health',
      description: 'answers health checks',
      timeout: frameTimeout,
      variables: tables.controlVariables,
    });
    tables.allow(handler, 'operations', 'BatchGetItem');
    tables.allowControl(handler);
    this.api.addRoutes({
      path: '/health',
      methods: [HttpMethod.GET],
      integration: new HttpLambdaIntegration('Health', handler.live),
    });
    return handler;
  }
}
