import { Duration } from 'aws-cdk-lib';
import {
  Alarm,
  ComparisonOperator,
  type IAlarmAction,
  type IMetric,
  MathExpression,
  Metric,
  Stats,
  TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch';
import { Construct } from 'constructs';
import type { RealtimeStack } from '../realtime/realtime-stack.ts';

export const platformPrefix = 'platform';

export interface PlatformAlarmsProps {
  /** `<service>-<env>`. */
  readonly prefix: string;
  readonly realtime: RealtimeStack;
  readonly link: string;
  readonly told: IAlarmAction | undefined;
}

interface PlatformAlarm {
  readonly name: string;
  readonly meaning: string;
  readonly metric: IMetric;
  readonly threshold: number;
  /** Minutes in a row, or of `of`. */
  readonly minutes: number;
  readonly of?: number;
}

const minute = Duration.minutes(1);

/**
 * What AWS recommends to watch of each of its services beside what a runbook says ("Recommended alarms" in the CloudWatch user
 * guide). AWS's services put nothing where nothing happened, so missing data is good.
 */
export class PlatformAlarms extends Construct {
  readonly all: readonly Alarm[];

  constructor(scope: Construct, id: string, { prefix, realtime, link, told }: PlatformAlarmsProps) {
    super(scope, id);
    this.all = platformAlarms(realtime).map(({ name, meaning, metric, threshold, minutes, of = minutes }) => {
      const alarm = new Alarm(this, name, {
        alarmName: `${platformPrefix}-${prefix}-${name}`,
        alarmDescription: `P2: ${meaning}. Recommended by AWS, not a row of the runbook. ${link}`,
        metric,
        threshold,
        comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
        evaluationPeriods: of,
        datapointsToAlarm: minutes,
        treatMissingData: TreatMissingData.NOT_BREACHING,
      });
      if (told) alarm.addAlarmAction(told);
      return alarm;
    });
  }
}

/** A platform alarm's name is a platform default; no runbook has a row for it. */
function platformAlarms({ gateway, serverApi, connections, messages, tables }: RealtimeStack): PlatformAlarm[] {
  const { queue, shardTasks, deadLetters, shardTaskDeadLetters } = messages.publications;
  const functions = {
    Authorizer: connections.authorizer,
    Connect: connections.connect,
    Disconnect: connections.disconnect,
    Census: connections.census,
    Sweep: connections.sweep,
    Message: messages.message,
    FanOut: messages.fanOut,
  };
  const sum = { period: minute, statistic: Stats.SUM };
  const ofApi = (metricName: string, apiId: string, stage: string) =>
    new Metric({ ...sum, namespace: 'AWS/ApiGateway', metricName, dimensionsMap: { ApiId: apiId, Stage: stage } });
  return [
    ...Object.entries(functions).flatMap(([name, handler]) => [
      {
        name: `${name}Errors`,
        meaning: `the function ${name} fails`,
        metric: handler.metricErrors(sum),
        threshold: 0,
        minutes: 3,
      },
      {
        name: `${name}Throttles`,
        meaning: `Lambda throttles the function ${name}: the account's concurrency is used up`,
        metric: handler.metricThrottles(sum),
        threshold: 0,
        minutes: 3,
      },
    ]),
    {
      name: 'GatewayIntegrationErrors',
      meaning: 'API Gateway cannot call the functions behind the WebSocket API',
      metric: ofApi('IntegrationError', gateway.api.apiId, gateway.stage.stageName),
      threshold: 0,
      minutes: 3,
    },
    {
      name: 'ServerApiErrors',
      meaning: 'the HTTP API answers with 5xx',
      metric: ofApi('5xx', serverApi.api.apiId, serverApi.stage.stageName),
      threshold: 0,
      minutes: 3,
    },
    ...Object.entries({ Publications: queue, Shards: shardTasks }).map(([name, { queueName }]) => ({
      name: `${name}InFlight`,
      // "Amazon SQS FIFO queue quotas": 120,000 messages in flight.
      meaning: `of the 120000 messages that SQS has in flight in a FIFO queue, ${name} uses nine tenths`,
      metric: new Metric({
        namespace: 'AWS/SQS',
        metricName: 'ApproximateNumberOfMessagesNotVisible',
        dimensionsMap: { QueueName: queueName },
        period: minute,
        statistic: Stats.MAXIMUM,
      }),
      threshold: 108_000,
      minutes: 5,
    })),
    ...Object.entries({ DeadLetters: deadLetters, ShardDeadLetters: shardTaskDeadLetters }).map(([name, letters]) => ({
      name: `${name}Age`,
      // Messages are dropped for good after 14 days.
      meaning: 'a dead letter has waited for ten days and is lost after fourteen',
      metric: letters.metricApproximateAgeOfOldestMessage({ period: minute, statistic: Stats.MAXIMUM }),
      threshold: Duration.days(10).toSeconds(),
      minutes: 1,
    })),
    ...(['connections', 'subscriptions', 'messages', 'operations'] as const).map(table => ({
      name: `${table}SystemErrors`,
      meaning: `DynamoDB fails on the table ${table}`,
      // "Configuring how CloudWatch alarms treat missing data": alarms on AWS/DynamoDB ignore it, and would never clear. What
      // is put late is 0 at first, so the newest period must not decide.
      metric: new MathExpression({
        expression: 'FILL(errors, 0)',
        usingMetrics: {
          errors: new Metric({
            ...sum,
            namespace: 'AWS/DynamoDB',
            metricName: 'SystemErrors',
            dimensionsMap: { TableName: tables[table].tableName, Operation: busiest[table] },
          }),
        },
        period: minute,
      }),
      threshold: 0,
      minutes: 3,
      of: 5,
    })),
  ];
}

/** `SystemErrors` comes by operation: the one on which the data path stands. */
const busiest = { connections: 'UpdateItem', subscriptions: 'Query', messages: 'PutItem', operations: 'UpdateItem' };
