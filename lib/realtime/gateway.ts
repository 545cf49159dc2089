import { Stack } from 'aws-cdk-lib';
import { WebSocketApi, type WebSocketRouteOptions, WebSocketStage } from 'aws-cdk-lib/aws-apigatewayv2';
import { WebSocketLambdaAuthorizer } from 'aws-cdk-lib/aws-apigatewayv2-authorizers';
import { WebSocketLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations';
import { Construct } from 'constructs';
import type { Handler } from './handler.ts';

/** API Gateway's account quotas in requests a second and burst ("Amazon API Gateway quotas"), which all APIs share. */
export const accountQuota = { rate: 10_000, burst: 5_000 };

export interface GatewayProps {
  readonly apiName: string;
  /** Also the last segment of the URL. */
  readonly stageName: string;
  /** 0 to 1. */
  readonly requestQuotaShare: number;
}

export interface GatewayFunctions {
  readonly authorizer: Handler;
  readonly connect: Handler;
  readonly disconnect: Handler;
  readonly message: Handler;
}

/** The WebSocket API and its stage. The functions are given later, since they need to know the stage's URL. */
export class Gateway extends Construct {
  readonly api: WebSocketApi;
  readonly stage: WebSocketStage;

  constructor(scope: Construct, id: string, props: GatewayProps) {
    super(scope, id);
    this.api = new WebSocketApi(this, 'Api', {
      apiName: props.apiName,
      description: 'Connections of clients; frames are described in docs/protocol.md',
      routeSelectionExpression: '$request.body.action',
    });
    this.stage = new WebSocketStage(this, 'Stage', {
      webSocketApi: this.api,
      stageName: props.stageName,
      autoDeploy: true,
      detailedMetricsEnabled: true,
      // Set, because a stage with metrics and without limits of its own refuses every request.
      throttle: {
        rateLimit: Math.floor(accountQuota.rate * props.requestQuotaShare),
        burstLimit: Math.floor(accountQuota.burst * props.requestQuotaShare),
      },
    });
  }

  /** Routes the API's events. One function takes all messages and answers on the same connection (route response). */
  route({ authorizer, connect, disconnect, message }: GatewayFunctions): void {
    const options = (name: string, { live }: Handler): WebSocketRouteOptions => ({
      integration: new WebSocketLambdaIntegration(name, live),
    });
    this.api.addRoute('$connect', {
      ...options('Connect', connect),
      // No identity source: browsers can set no header, and API Gateway would refuse them before the authorizer is asked.
      authorizer: new WebSocketLambdaAuthorizer('Authorizer', authorizer.live, { identitySource: [] }),
    });
    this.api.addRoute('$disconnect', options('Disconnect', disconnect));
    this.api.addRoute('$default', { ...options('Message', message), returnResponse: true });
  }

  /** Allows `@connections` by method; a function that closes need not post. */
  allowConnections(handler: Handler, ...methods: ('POST' | 'DELETE' | 'GET')[]): void {
    const arn = (method: string) =>
      Stack.of(this).formatArn({
        service: 'execute-api',
        resource: this.api.apiId,
        resourceName: `${this.stage.stageName}/${method}/@connections/*`,
      });
    handler.allow(['execute-api:ManageConnections'], methods.map(arn));
  }
}
