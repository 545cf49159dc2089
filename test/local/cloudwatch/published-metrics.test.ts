import { type AwsCall, AwsError, type AwsReply } from '../../../local/aws/service.ts';
import { executionMetrics } from '../../../local/cloudwatch/execution-metrics.ts';
import { gatewayMetrics } from '../../../local/cloudwatch/gateway-metrics.ts';
import type { MetricSink } from '../../../local/cloudwatch/metric.ts';
import { queueMetrics } from '../../../local/cloudwatch/queue-metrics.ts';
import { measuredDynamoDb } from '../../../local/cloudwatch/table-metrics.ts';
import { FunctionMetrics } from '../../../local/lambda/function-metrics.ts';
import type { QueueMetrics } from '../../../local/sqs/queue.ts';

let published: string[];
const sink: MetricSink = {
  put: (namespace, name, dimensions, value, unit) => {
    const rounded = unit === 'Milliseconds' ? 'ms' : `${value} ${unit}`;
    published.push(`${namespace} ${name} ${Object.values(dimensions).join('/')} ${rounded}`);
  },
};

beforeEach(() => {
  published = [];
});

it('Lambda publishes each invocation, and throttled ones apart', () => {
  const metrics = new FunctionMetrics(sink, 'fan-out');
  metrics.invoked({ failed: true, durationMs: 12, concurrency: 3 });
  metrics.throttled();
  expect(published).toEqual([
    'AWS/Lambda Invocations fan-out 1 Count',
    'AWS/Lambda Errors fan-out 1 Count',
    'AWS/Lambda Throttles fan-out 0 Count',
    'AWS/Lambda ConcurrentExecutions fan-out 3 Count',
    'AWS/Lambda Duration fan-out ms',
    'AWS/Lambda Throttles fan-out 1 Count',
  ]);
});

it('SQS publishes what is in a queue, and what it did since the last time', () => {
  let queue: QueueMetrics = {
    visible: 2,
    notVisible: 1,
    delayed: 0,
    oldestAgeSeconds: 7,
    sent: 5,
    received: 3,
    deleted: 2,
  };
  const publish = queueMetrics(() => ({ jobs: queue }), sink);
  publish();
  expect(published).toContain('AWS/SQS ApproximateNumberOfMessagesVisible jobs 2 Count');
  expect(published).toContain('AWS/SQS ApproximateAgeOfOldestMessage jobs 7 Seconds');
  expect(published).toContain('AWS/SQS NumberOfMessagesSent jobs 5 Count');
  published = [];
  queue = { ...queue, sent: 6 };
  publish();
  expect(published).toContain('AWS/SQS NumberOfMessagesSent jobs 1 Count');
  expect(published).toContain('AWS/SQS NumberOfMessagesDeleted jobs 0 Count');
});

describe('DynamoDB publishes', () => {
  async function request(body: object, answer: () => Promise<AwsReply>, operation = 'Query'): Promise<void> {
    const call = {
      headers: { 'x-amz-target': `DynamoDB_20120810.${operation}` },
      body: Buffer.from(JSON.stringify(body)),
    };
    await measuredDynamoDb({ handle: answer }, sink)
      .handle(call as unknown as AwsCall)
      .catch(() => {});
  }
  const failing =
    (code: string, status = 400) =>
    async (): Promise<AwsReply> => {
      throw new AwsError(code, '', status);
    };
  const TableName = 'arn:aws:dynamodb:eu-central-1:123456789012:table/Messages';

  it.each([
    [
      'its latency',
      async () => ({ status: 200, body: '{}' }),
      ['AWS/DynamoDB SuccessfulRequestLatency Messages/Query ms'],
    ],
    [
      'throttling',
      failing('ProvisionedThroughputExceededException'),
      ['AWS/DynamoDB ThrottledRequests Messages/Query 1 Count', 'AWS/DynamoDB ReadThrottleEvents Messages 1 Count'],
    ],
    ['its own errors', failing('InternalServerError', 500), ['AWS/DynamoDB SystemErrors Messages/Query 1 Count']],
    ["users' errors of the account", failing('ValidationException'), ['AWS/DynamoDB UserErrors  1 Count']],
    [
      'failed conditions',
      async () => ({ status: 400, headers: { 'x-amzn-errortype': 'ConditionalCheckFailedException' }, body: '' }),
      ['AWS/DynamoDB ConditionalCheckFailedRequests Messages 1 Count'],
    ],
  ])('%s', async (_, answer, expected) => {
    await request({ TableName }, answer);
    expect(published).toEqual(expected);
  });

  it('for each table of a batch', async () => {
    await request({ RequestItems: { A: {}, B: {} } }, failing('ThrottlingException'));
    expect(published).toEqual([
      'AWS/DynamoDB ThrottledRequests A/Query 1 Count',
      'AWS/DynamoDB ReadThrottleEvents A 1 Count',
      'AWS/DynamoDB ThrottledRequests B/Query 1 Count',
      'AWS/DynamoDB ReadThrottleEvents B 1 Count',
    ]);
  });

  it('throttled writes apart from reads, as StoreThrottles reads them', async () => {
    await request({ TableName }, failing('ThrottlingException'), 'UpdateItem');
    expect(published).toContain('AWS/DynamoDB WriteThrottleEvents Messages 1 Count');
  });
});

it('API Gateway publishes by API and stage', () => {
  const api = (physicalId: string, ProtocolType: string) => ({
    stack: 's',
    logicalId: physicalId,
    type: 'AWS::ApiGatewayV2::Api',
    physicalId,
    attributes: {},
    properties: { ProtocolType },
  });
  const stage = (ApiId: string) => ({
    stack: 's',
    logicalId: `${ApiId}Stage`,
    type: 'AWS::ApiGatewayV2::Stage',
    physicalId: 'dev',
    attributes: {},
    properties: { ApiId },
  });
  const resources = [api('http', 'HTTP'), api('socket', 'WEBSOCKET'), stage('http'), stage('socket')];
  gatewayMetrics(resources, 'WEBSOCKET', sink)('ConnectCount', 1);
  gatewayMetrics(resources, 'HTTP', sink)('Latency', 5);
  gatewayMetrics([], 'HTTP', sink)('Latency', 5);
  expect(published).toEqual(['AWS/ApiGateway ConnectCount socket/dev 1 Count', 'AWS/ApiGateway Latency http/dev ms']);
});

it('Step Functions publishes how executions begin and end', () => {
  const tell = executionMetrics(sink);
  const change = (status: string, stopDate: number | null = null) =>
    tell({
      source: 'aws.states',
      'detail-type': 'Step Functions Execution Status Change',
      resources: [],
      detail: { status, stateMachineArn: 'machine', startDate: 1, stopDate },
    });
  change('RUNNING');
  change('FAILED', 5);
  expect(published).toEqual([
    'AWS/States ExecutionsStarted machine 1 Count',
    'AWS/States ExecutionsFailed machine 1 Count',
    'AWS/States ExecutionTime machine ms',
  ]);
});
