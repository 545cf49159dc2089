import { type Duration, RemovalPolicy } from 'aws-cdk-lib';
import { Effect, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import {
  Alias,
  Architecture,
  type IFunction,
  type IVersion,
  Function as LambdaFunction,
  LoggingFormat,
  Runtime,
} from 'aws-cdk-lib/aws-lambda';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import { bundledCode } from './bundle.ts';
import type { ServiceContext } from './service-context.ts';

/** The name of every function's alias. */
export const liveAlias = 'live';

export interface HandlerProps<Variables> {
  /** Folder under `lambdas/` whose `index.ts` exports `handler`. */
  readonly folder: string;
  /** What it does, in a few words. */
  readonly description: string;
  readonly context: ServiceContext;
  /** What the folder's `variables.ts` asks for. */
  readonly variables: Variables;
  readonly timeout: Duration;
}

/** One of the service's functions, with a role that may write its own log and nothing else until it is granted more. */
export class Handler<
  Variables extends Readonly<Record<string, string>> = Readonly<Record<string, string>>,
> extends LambdaFunction {
  /** What everything invokes: a release moves it to a version, and a rollback back to the one before. */
  readonly live: IFunction;

  constructor(
    scope: Construct,
    id: string,
    { context, folder, timeout, variables, ...props }: HandlerProps<Variables>,
  ) {
    const { service, environmentName, settings, removalPolicy } = context;
    const description = `${service} ${environmentName}: ${props.description}`;
    const logGroup = new LogGroup(scope, `${id}Log`, {
      retention: RetentionDays.ONE_MONTH,
      removalPolicy,
    });
    const role = new Role(scope, `${id}Role`, {
      assumedBy: new ServicePrincipal('lambda.amazonaws.com'),
      description,
    });
    role.addToPolicy(
      new PolicyStatement({
        effect: Effect.ALLOW,
        actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
        resources: [logGroup.logGroupArn],
      }),
    );
    super(scope, id, {
      code: bundledCode(folder),
      handler: 'index.handler',
      description,
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      memorySize: settings.functionMemoryMegabytes,
      timeout,
      role,
      logGroup,
      loggingFormat: LoggingFormat.JSON,
      environment: {
        ...variables,
        POWERTOOLS_SERVICE_NAME: service,
        ENVIRONMENT: environmentName,
        NODE_OPTIONS: '--enable-source-maps',
      },
      // A version that the next deployment deletes cannot be gone back to.
      currentVersionOptions: { removalPolicy: RemovalPolicy.RETAIN },
    });
    this.live = new Alias(this, 'Live', {
      aliasName: liveAlias,
      version: this.currentVersion as IVersion,
    }) as IFunction;
  }

  /** Allows `actions` (with their service's prefix) on just these ARNs, and under just these conditions. */
  allow(actions: readonly string[], resources: readonly string[], conditions?: Record<string, unknown>): void {
    this.addToRolePolicy(
      new PolicyStatement({ actions: [...actions], resources: [...resources], ...(conditions && { conditions }) }),
    );
  }
}
