import {
  CloudWatchClient,
  ListAlarmMuteRulesCommand,
  type MetricAlarm,
  paginateDescribeAlarms,
} from '@aws-sdk/client-cloudwatch';
import {
  DescribeExecutionCommand,
  ExecutionAlreadyExists,
  paginateListExecutions,
  SFNClient,
  StartExecutionCommand,
} from '@aws-sdk/client-sfn';
import { BatchGetCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { z } from 'zod';
import { controlRecord } from '../shared/control.ts';
import { dynamoDb } from '../shared/dynamodb.ts';
import { isRunning } from '../shared/executions.ts';
import { incidentRecord, incidentSchema, openRecord } from '../shared/incidents.ts';
import { logger } from '../shared/logger.ts';
import { operationsTable } from '../shared/tables.ts';
import { readVariables } from '../shared/variables.ts';
import { type AlarmState, type OpenIncident, reconcile } from './reconcile.ts';
import { reconcileVariables } from './variables.ts';

const { OPERATIONS_TABLE, RESPONDER_ARN, CLOSURE_ARN, ALARMS, RECOVERY_ALARMS } = readVariables(reconcileVariables);
const store = dynamoDb();
const cloudwatch = new CloudWatchClient();
const states = new SFNClient();
const { partitionKey } = operationsTable;

const openItem = z.object({ incident: z.string(), owner: z.string() });
const responderInput = z.object({ alarm: z.string() });

/** "BatchGetItem": 100 items at a time. A runbook has fewer alarms, so one call does. */
const maxBatch = 100;

async function items(records: readonly string[]): Promise<Map<string, Record<string, unknown>>> {
  const found = new Map<string, Record<string, unknown>>();
  for (let at = 0; at < records.length; at += maxBatch) {
    let Keys = records.slice(at, at + maxBatch).map(record => ({ [partitionKey]: record }));
    while (Keys.length > 0) {
      const { Responses = {}, UnprocessedKeys = {} } = await store.send(
        new BatchGetCommand({ RequestItems: { [OPERATIONS_TABLE]: { Keys, ConsistentRead: true } } }),
      );
      for (const item of Responses[OPERATIONS_TABLE] ?? []) found.set(String(item[partitionKey]), item);
      Keys = (UnprocessedKeys[OPERATIONS_TABLE]?.Keys ?? []) as typeof Keys;
    }
  }
  return found;
}

const periodOf = ({ Period, Metrics = [] }: MetricAlarm): number =>
  Math.max(60, Period ?? 0, ...Metrics.map(query => query.MetricStat?.Period ?? query.Period ?? 0));

async function alarms(): Promise<AlarmState[]> {
  const found: AlarmState[] = [];
  const pages = paginateDescribeAlarms(
    { client: cloudwatch },
    { AlarmNames: [...ALARMS, ...RECOVERY_ALARMS], AlarmTypes: ['MetricAlarm'] },
  );
  for await (const { MetricAlarms = [] } of pages)
    for (const alarm of MetricAlarms)
      found.push({
        name: alarm.AlarmName ?? '',
        state: alarm.StateValue ?? 'INSUFFICIENT_DATA',
        reason: alarm.StateReason ?? '',
        since: (alarm.StateTransitionedTimestamp ?? alarm.StateUpdatedTimestamp ?? new Date(0)).toISOString(),
        periodSeconds: periodOf(alarm),
      });
  return found;
}

async function open(): Promise<OpenIncident[]> {
  const held = await items(ALARMS.map(openRecord));
  const found = ALARMS.flatMap(alarm => {
    const item = held.get(openRecord(alarm));
    return item ? [{ alarm, ...openItem.parse(item) }] : [];
  });
  const records = await items(found.map(({ incident }) => incidentRecord(incident)));
  return found.map(each => {
    const record = records.get(incidentRecord(each.incident));
    return { ...each, record: record && incidentSchema.parse(record) };
  });
}

async function start(stateMachineArn: string, name: string, input: object): Promise<void> {
  try {
    await states.send(new StartExecutionCommand({ stateMachineArn, name, input: JSON.stringify(input) }));
  } catch (error) {
    if (!(error instanceof ExecutionAlreadyExists)) throw error;
  }
}

async function answered(): Promise<Set<string>> {
  const found = new Set<string>();
  const pages = paginateListExecutions({ client: states }, { stateMachineArn: RESPONDER_ARN, statusFilter: 'RUNNING' });
  for await (const { executions = [] } of pages)
    for (const { executionArn } of executions) {
      const { input = '{}' } = await states.send(new DescribeExecutionCommand({ executionArn }));
      found.add(responderInput.parse(JSON.parse(input)).alarm);
    }
  return found;
}

async function update(record: string, expression: string, name: string, value: unknown): Promise<void> {
  await store.send(
    new UpdateCommand({
      TableName: OPERATIONS_TABLE,
      Key: { [partitionKey]: record },
      UpdateExpression: expression,
      ExpressionAttributeNames: { '#name': name },
      ...(value !== undefined && { ExpressionAttributeValues: { ':value': value } }),
    }),
  );
}

/** Every minute. @throws AggregateError */
export async function handler(): Promise<void> {
  await reconcile({
    alarms,
    open,
    answered,
    isRunning: isRunning(states),
    isMuted: async AlarmName => {
      const { AlarmMuteRuleSummaries = [] } = await cloudwatch.send(
        new ListAlarmMuteRulesCommand({ AlarmName, Statuses: ['ACTIVE'] }),
      );
      return AlarmMuteRuleSummaries.length > 0;
    },
    respond: async ({ name, reason, since }, executionName) => {
      logger.warn('no incident is open for an alarm; the responder is started', { alarm: name });
      await start(RESPONDER_ARN, executionName, { alarm: name, alarmAt: since, reason });
    },
    close: async (closing, executionName) => {
      logger.info('an incident is closed', { incident: closing.id, ending: closing.ending });
      await start(CLOSURE_ARN, executionName, closing);
    },
    setQuiet: (incident, quiet) => update(incidentRecord(incident), 'SET #name = :value', 'quiet', quiet),
    freezeBaseline: async frozen => {
      const control = (await items([controlRecord])).get(controlRecord);
      if (Boolean(control?.baselineFrozen) === frozen) return;
      const expression = frozen ? 'SET #name = :value' : 'REMOVE #name';
      await update(controlRecord, expression, 'baselineFrozen', frozen || undefined);
    },
    recoveryAlarms: RECOVERY_ALARMS,
    now: Date.now,
    failed: (message, error) => logger.error(message, error),
  });
}
