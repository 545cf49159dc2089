import { Duration } from 'aws-cdk-lib';
import { Schedule, ScheduleExpression } from 'aws-cdk-lib/aws-scheduler';
import { LambdaInvoke } from 'aws-cdk-lib/aws-scheduler-targets';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { Construct } from 'constructs';
import type { probeVariables } from '../../lambdas/probe/variables.ts';
import type { VariablesOf } from '../../lambdas/shared/variables.ts';
import type { Gateway } from './gateway.ts';
import { Handler } from './handler.ts';
import type { ServiceContext } from './service-context.ts';
import type { Tables } from './tables.ts';

/** What the probe signs its tokens with and the authorizer verifies them with. */
export class ProbeIdentity extends Construct {
  readonly #secret: Secret;
  readonly #audience: string;

  constructor(scope: Construct, id: string, { service, environmentName, removalPolicy }: ServiceContext) {
    super(scope, id);
    this.#audience = service;
    this.#secret = new Secret(this, 'Secret', {
      description: `${service} ${environmentName}: signs the tokens of the probe`,
      generateSecretString: { passwordLength: 64, excludePunctuation: true },
      removalPolicy,
    });
  }

  get variables() {
    return { PROBE_AUDIENCE: this.#audience, PROBE_SECRET_ARN: this.#secret.secretArn };
  }

  allowRead(handler: Handler): void {
    handler.allow(['secretsmanager:GetSecretValue'], [this.#secret.secretArn]);
  }
}

export interface ProbeProps {
  readonly context: ServiceContext;
  readonly gateway: Gateway;
  readonly tables: Tables;
  readonly identity: ProbeIdentity;
}

/** A real client, every minute: the shortest schedule there is. */
export class Probe extends Construct {
  readonly handler: Handler;

  constructor(scope: Construct, id: string, { context, gateway, tables, identity }: ProbeProps) {
    super(scope, id);
    this.handler = new Handler<VariablesOf<typeof probeVariables>>(this, 'Function', {
      context,
      folder: 'probe',
      description: 'connects and publishes as a client does',
      timeout: Duration.seconds(20),
      variables: { WEBSOCKET_URL: gateway.stage.url, ...identity.variables, ...tables.controlVariables },
    });
    identity.allowRead(this.handler);
    tables.allowControl(this.handler);
    // The next one comes in a minute: a late one is worth nothing, and neither is a second try.
    this.handler.live.configureAsyncInvoke({ retryAttempts: 0, maxEventAge: Duration.minutes(1) });
    new Schedule(this, 'Schedule', {
      schedule: ScheduleExpression.rate(Duration.minutes(1)),
      target: new LambdaInvoke(this.handler.live, { retryAttempts: 0, maxEventAge: Duration.minutes(1) }),
      description: `${context.service} ${context.environmentName}: probe`,
    });
  }
}
