import { gunzipSync } from 'node:zlib';
import { z } from 'zod';
import { type AwsCall, AwsError } from '../aws/service.ts';
import { unit } from './metric.ts';
import { dimension, dimensions, metricDataQuery } from './metric-queries.ts';

// The members of the requests that are read. Times are epoch seconds in this protocol (AWS JSON 1.0).
const time = z.number().transform(seconds => Math.round(seconds * 1000));
const maxValue = 2 ** 360;
const value = z.number().min(-maxValue).max(maxValue);
const count = z.number().positive();
const alarmTypes = z.array(z.enum(['MetricAlarm', 'CompositeAlarm', 'LogAlarm'])).optional();
const paged = { MaxRecords: z.number().int().min(1).max(100).default(50), NextToken: z.string().optional() };
const stateValue = z.enum(['OK', 'ALARM', 'INSUFFICIENT_DATA']);

const datum = z
  .object({
    MetricName: z.string().min(1).max(255),
    Dimensions: dimensions.default([]),
    Timestamp: time.optional(),
    Value: value.optional(),
    StatisticValues: z.object({ SampleCount: count, Sum: value, Minimum: value, Maximum: value }).optional(),
    Values: z.array(value).max(150).optional(),
    Counts: z.array(count).max(150).optional(),
    Unit: unit.default('None'),
    StorageResolution: z.union([z.literal(1), z.literal(60)]).default(60),
  })
  .refine(
    ({ Value, StatisticValues, Values }) =>
      [Value, StatisticValues, Values].filter(given => given !== undefined).length === 1,
    {
      message: 'one of Value, Values and StatisticValues is needed',
    },
  )
  .refine(({ Values, Counts }) => Counts === undefined || Counts.length === Values?.length, {
    message: 'Counts and Values must have the same length',
  });

export const requests = {
  PutMetricData: z.object({
    Namespace: z.string().regex(/^[^:].{0,254}$/s),
    MetricData: z.array(datum).min(1).max(1000),
  }),
  GetMetricData: z.object({
    MetricDataQueries: z.array(metricDataQuery).min(1).max(500),
    StartTime: time,
    EndTime: time,
    ScanBy: z.enum(['TimestampDescending', 'TimestampAscending']).default('TimestampDescending'),
  }),
  GetMetricStatistics: z.object({
    Namespace: z.string(),
    MetricName: z.string(),
    Dimensions: dimensions.default([]),
    StartTime: time,
    EndTime: time,
    Period: z.number(),
    Statistics: z.array(z.enum(['Average', 'Sum', 'Minimum', 'Maximum', 'SampleCount'])).default([]),
    ExtendedStatistics: z.array(z.string()).default([]),
    Unit: unit.optional(),
  }),
  ListMetrics: z.object({
    Namespace: z.string().optional(),
    MetricName: z.string().optional(),
    Dimensions: z.array(dimension.partial({ Value: true })).default([]),
    NextToken: z.string().optional(),
  }),
  DescribeAlarms: z.object({
    AlarmNames: z.array(z.string()).max(100).optional(),
    AlarmNamePrefix: z.string().optional(),
    AlarmTypes: alarmTypes,
    ChildrenOfAlarmName: z.undefined('the local environment does not run ChildrenOfAlarmName').optional(),
    ParentsOfAlarmName: z.undefined('the local environment does not run ParentsOfAlarmName').optional(),
    StateValue: stateValue.optional(),
    ActionPrefix: z.string().optional(),
    ...paged,
  }),
  DescribeAlarmHistory: z.object({
    AlarmName: z.string().optional(),
    AlarmTypes: alarmTypes,
    HistoryItemType: z.string().optional(),
    StartDate: time.optional(),
    EndDate: time.optional(),
    ScanBy: z.enum(['TimestampDescending', 'TimestampAscending']).default('TimestampDescending'),
    ...paged,
  }),
  ListAlarmMuteRules: z.object({
    AlarmName: z.string().optional(),
    Statuses: z.array(z.enum(['SCHEDULED', 'ACTIVE', 'EXPIRED'])).optional(),
    ...paged,
  }),
  GetAlarmMuteRule: z.object({ AlarmMuteRuleName: z.string() }),
  GetDashboard: z.object({ DashboardName: z.string() }),
  ListDashboards: z.object({ DashboardNamePrefix: z.string().default('') }),
};

export type ActionName = keyof typeof requests;
export type Request<Name extends ActionName> = z.output<(typeof requests)[Name]>;

export const isActionName = (name: string): name is ActionName => Object.hasOwn(requests, name);

/** "PutMetricData": 1 MB for a request; SDKs compress one from 10 KB. */
const maxBodyBytes = 1024 * 1024;

function textOf({ headers, body }: AwsCall): string {
  if (headers['content-encoding'] !== 'gzip') {
    if (body.length > maxBodyBytes) throw tooLarge();
    return body.toString();
  }
  try {
    return gunzipSync(body, { maxOutputLength: maxBodyBytes }).toString();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge();
    throw new AwsError('SerializationException', 'The request body cannot be decompressed.');
  }
}

const tooLarge = () =>
  new AwsError('RequestEntityTooLargeException', `The request is larger than ${maxBodyBytes} bytes.`, 413);

/** @throws AwsError `MissingRequiredParameterException`, `InvalidParameterValueException`, `SerializationException` */
export function parseRequest<Name extends ActionName>(name: Name, call: AwsCall): Request<Name> {
  let json: unknown;
  try {
    json = JSON.parse(textOf(call) || '{}');
  } catch (error) {
    if (error instanceof AwsError) throw error;
    throw new AwsError('SerializationException', 'The request body is not JSON.');
  }
  const result = requests[name].safeParse(json);
  if (result.success) return result.data as Request<Name>;
  const issue = result.error.issues[0] as z.core.$ZodIssue;
  const parameter = issue.path.join('.');
  if (issue.message.endsWith('received undefined'))
    throw new AwsError('MissingRequiredParameterException', `The parameter ${parameter} is required.`);
  throw new AwsError(
    'InvalidParameterValueException',
    `The value for parameter ${parameter} is invalid: ${issue.message}.`,
  );
}
