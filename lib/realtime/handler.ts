import type { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { Effect, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Architecture, Function as LambdaFunction, LoggingFormat, Runtime } from 'aws-cdk-lib/aws-lambda';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import { bundledCode } from './bundle.ts';

export interface HandlerProps {
  /** Folder under `lambdas/` whose `index.ts` exports `handler`. */
  readonly folder: string;
  readonly description: string;
  readonly service: string;
  /** What the folder's `variables.ts` asks for. */
  readonly variables: Readonly<Record<string, string>>;
  readonly timeout: Duration;
  /** Megabytes; a function's share of CPU grows with it. */
  readonly memorySize: number;
  readonly removalPolicy: RemovalPolicy;
}

/** One of the service's functions, with a role that may write its own log and nothing else until it is granted more. */
export class Handler extends LambdaFunction {
  constructor(scope: Construct, id: string, props: HandlerProps) {
    const logGroup = new LogGroup(scope, `${id}Log`, {
      retention: RetentionDays.ONE_MONTH,
      removalPolicy: props.removalPolicy,
    });
    const role = new Role(scope, `${id}Role`, {
      assumedBy: new ServicePrincipal('lambda.amazonaws.com'),
      description: props.description,
    });
    role.addToPolicy(
      new PolicyStatement({
        effect: Effect.ALLOW,
        actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
        resources: [logGroup.logGroupArn],
      }),
    );
    super(scope, id, {
      code: bundledCode(props.folder),
      handler: 'index.handler',
      description: props.description,
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      memorySize: props.memorySize,
      timeout: props.timeout,
      role,
      logGroup,
      loggingFormat: LoggingFormat.JSON,
      environment: {
        ...props.variables,
        POWERTOOLS_SERVICE_NAME: props.service,
        NODE_OPTIONS: '--enable-source-maps',
      },
    });
  }
}
