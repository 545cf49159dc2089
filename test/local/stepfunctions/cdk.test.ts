import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App, Duration, Stack } from 'aws-cdk-lib';
import { AttributeType, Table } from 'aws-cdk-lib/aws-dynamodb';
import { EventField, Rule, RuleTargetInput } from 'aws-cdk-lib/aws-events';
import { SfnStateMachine, SqsQueue } from 'aws-cdk-lib/aws-events-targets';
import {
  Alias,
  Code,
  type IFunction,
  type IVersion,
  Function as LambdaFunction,
  Runtime,
} from 'aws-cdk-lib/aws-lambda';
import { Schedule, ScheduleExpression } from 'aws-cdk-lib/aws-scheduler';
import {
  LambdaInvoke as ScheduledFunction,
  StepFunctionsStartExecution as ScheduledMachine,
} from 'aws-cdk-lib/aws-scheduler-targets';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { Queue } from 'aws-cdk-lib/aws-sqs';
import {
  Choice,
  Condition,
  DefinitionBody,
  Fail,
  IntegrationPattern,
  JsonPath,
  Map as MapState,
  Parallel,
  Pass,
  StateMachine,
  Succeed,
  TaskInput,
  Timeout,
  Wait,
  WaitTime,
} from 'aws-cdk-lib/aws-stepfunctions';
import {
  CallAwsService,
  DynamoAttributeValue,
  DynamoUpdateItem,
  LambdaInvoke,
  SnsPublish,
  SqsSendMessage,
  StepFunctionsStartExecution,
} from 'aws-cdk-lib/aws-stepfunctions-tasks';
import { readAssembly } from '../../../local/assembly/assembly.ts';
import type { Identities } from '../../../local/assembly/resource.ts';
import { identities as dynamoDbIdentities } from '../../../local/dynamodb/identities.ts';
import { identities as eventsIdentities, readRules } from '../../../local/events/rules.ts';
import { identities as iamIdentities } from '../../../local/iam/identities.ts';
import { createAuthorization } from '../../../local/iam/policies.ts';
import { identities as lambdaIdentities } from '../../../local/lambda/identities.ts';
import { startLambda } from '../../../local/lambda/lambda.ts';
import { createMonitoringClock } from '../../../local/monitoring-clock.ts';
import { identities as schedulerIdentities, startScheduler } from '../../../local/scheduler/scheduler.ts';
import { identities as secretsIdentities, startSecretsManager } from '../../../local/secretsmanager/service.ts';
import { identities as snsIdentities } from '../../../local/sns/identities.ts';
import { identities as sqsIdentities } from '../../../local/sqs/identities.ts';
import { identities as statesIdentities } from '../../../local/stepfunctions/identities.ts';
import { startStepFunctions } from '../../../local/stepfunctions/service.ts';
import { ManualClock } from '../manual-clock.ts';

jest.setTimeout(60_000);

const identities: Identities = {
  ...dynamoDbIdentities,
  ...eventsIdentities,
  ...iamIdentities,
  ...lambdaIdentities,
  ...schedulerIdentities,
  ...secretsIdentities,
  ...snsIdentities,
  ...sqsIdentities,
  ...statesIdentities,
};

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'cdk-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

function synthesize(): string {
  const app = new App({ outdir: directory, analyticsReporting: false });
  const stack = new Stack(app, 'shop', { env: { region: 'eu-central-1' } });
  const worker = new LambdaFunction(stack, 'Worker', {
    runtime: Runtime.NODEJS_24_X,
    handler: 'index.handler',
    code: Code.fromAsset(join(import.meta.dirname, '../../../bench')),
  });
  const live = new Alias(stack, 'Live', { aliasName: 'live', version: worker.currentVersion as IVersion });
  const queue = new Queue(stack, 'Queue');
  const topic = new Topic(stack, 'Topic');
  const table = new Table(stack, 'Table', { partitionKey: { name: 'id', type: AttributeType.STRING } });
  new Secret(stack, 'Secret', { generateSecretString: { passwordLength: 20 } });

  const inner = new StateMachine(stack, 'Inner', {
    definitionBody: DefinitionBody.fromChainable(new Pass(stack, 'Done')),
  });
  const approve = new SqsSendMessage(stack, 'Approve', {
    queue,
    messageBody: TaskInput.fromObject({
      token: JsonPath.taskToken,
      text: JsonPath.format('{} is {}', JsonPath.stringAt('$.a'), 'x'),
    }),
    integrationPattern: IntegrationPattern.WAIT_FOR_TASK_TOKEN,
    taskTimeout: Timeout.duration(Duration.minutes(10)),
    heartbeatTimeout: Timeout.duration(Duration.minutes(2)),
  });
  const update = new DynamoUpdateItem(stack, 'Update', {
    table,
    key: { id: DynamoAttributeValue.fromString(JsonPath.stringAt('$$.Execution.Id')) },
    updateExpression: 'SET a = :a',
    expressionAttributeValues: { ':a': DynamoAttributeValue.fromNumber(1) },
    resultPath: JsonPath.DISCARD,
  }).addCatch(new Fail(stack, 'Failed', { errorPath: '$.Error', causePath: '$.Cause' }), {
    errors: ['DynamoDB.ConditionalCheckFailedException'],
  });
  const describe = new CallAwsService(stack, 'Describe', {
    service: 'cloudwatch',
    action: 'describeAlarms',
    parameters: { AlarmNames: JsonPath.array(JsonPath.stringAt('$.a')) },
    iamResources: ['*'],
  });
  const definition = new LambdaInvoke(stack, 'Invoke', {
    lambdaFunction: live as IFunction,
    resultSelector: { 'a.$': '$.Payload.a' },
  })
    .next(update)
    .next(new Wait(stack, 'Wait', { time: WaitTime.secondsPath('$.seconds') }))
    .next(
      new Parallel(stack, 'Both').branch(describe).branch(
        new StepFunctionsStartExecution(stack, 'Nested', {
          stateMachine: inner,
          integrationPattern: IntegrationPattern.RUN_JOB,
          input: TaskInput.fromObject({ a: JsonPath.jsonToString(JsonPath.objectAt('$')) }),
        }),
      ),
    )
    .next(
      new MapState(stack, 'Each', { itemsPath: '$.items', maxConcurrency: 3 }).itemProcessor(
        new SnsPublish(stack, 'Publish', { topic, message: TaskInput.fromJsonPathAt('$') }),
      ),
    )
    .next(
      new Choice(stack, 'Which')
        .when(Condition.and(Condition.isNotPresent('$.b'), Condition.stringMatches('$.c', 'x*')), approve)
        .otherwise(new Succeed(stack, 'Over')),
    );
  const machine = new StateMachine(stack, 'Machine', {
    definitionBody: DefinitionBody.fromChainable(definition),
    timeout: Duration.hours(1),
  });
  new Rule(stack, 'Rule', {
    eventPattern: {
      source: ['aws.cloudwatch'],
      detail: { state: { value: ['ALARM'], actionsSuppressedBy: [{ exists: false }] } },
    },
    targets: [
      new SfnStateMachine(machine, {
        input: RuleTargetInput.fromObject({ alarm: EventField.fromPath('$.detail.alarmName') }),
        deadLetterQueue: queue,
        retryAttempts: 3,
      }),
      new SqsQueue(queue),
    ],
  });
  new Schedule(stack, 'Census', {
    schedule: ScheduleExpression.rate(Duration.minutes(1)),
    target: new ScheduledFunction(live as IFunction),
  });
  new Schedule(stack, 'Daily', {
    schedule: ScheduleExpression.cron({ hour: '8', minute: '0' }),
    target: new ScheduledMachine(machine, {}),
  });
  app.synth();
  return directory;
}

test('what CDK makes of machines, rules, schedules, secrets, versions and aliases is run', async () => {
  const { resources, place, asset } = readAssembly(synthesize(), identities);
  const authorization = createAuthorization({ resources, place });
  const unused = () => Promise.reject(new Error('is not called'));
  const clock = createMonitoringClock(1, new ManualClock());
  const lambda = startLambda({
    resources,
    place,
    asset,
    runtimeVariables: () => ({}),
    localAddresses: text => text,
    authorization,
    logDirectory: join(directory, 'logs'),
    maxEnvironments: 1,
    log: () => {},
  });
  const states = await startStepFunctions({
    resources,
    place,
    authorization,
    forRole: () => ({ accessKeyId: 'a', secretAccessKey: 's' }),
    endpoint: () => 'http://127.0.0.1:9',
    lambda,
    sns: { publish: unused },
    events: { putEvents: unused, putEvent: () => {} },
    clock,
    log: () => {},
  });
  const [rule] = readRules(resources);
  expect(rule?.targets.map(({ service }) => service)).toEqual(['states', 'sqs']);
  const scheduler = startScheduler({ resources, lambda, stepFunctions: states, clock, log: () => {} });
  startSecretsManager({ resources, authorization, stateDirectory: directory });
  expect(
    lambda.deployed(resources.find(({ type }) => type === 'AWS::Lambda::Function')?.physicalId ?? '').aliases,
  ).toEqual(['live']);
  await scheduler.close();
  await states.close();
  await lambda.close();
});
