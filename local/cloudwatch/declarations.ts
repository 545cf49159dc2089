import { z } from 'zod';
import { unit } from './metric.ts';
import { dimensions, isPeriod, metricDataQuery } from './metric-queries.ts';

// What is honoured of each type; a property that is not listed here is refused rather than ignored.

const flag = z.union([z.boolean(), z.enum(['true', 'false']).transform(text => text === 'true')]);
const tags = z.array(z.looseObject({ Key: z.string(), Value: z.string() })).optional();

// "PutMetricAlarm": at most 5 actions for a state.
const actions = z
  .array(z.string().regex(/^arn:[^:]*:sns:/, 'only topics are run as actions'))
  .max(5)
  .default([]);

const alarm = {
  AlarmName: z.string().min(1).max(255).optional(),
  AlarmDescription: z.string().max(1024).optional(),
  ActionsEnabled: flag.default(true),
  AlarmActions: actions,
  OKActions: actions,
  InsufficientDataActions: actions,
  Tags: tags,
};

const comparison = z.enum([
  'GreaterThanOrEqualToThreshold',
  'GreaterThanThreshold',
  'LessThanThreshold',
  'LessThanOrEqualToThreshold',
  'LessThanLowerOrGreaterThanUpperThreshold',
  'LessThanLowerThreshold',
  'GreaterThanUpperThreshold',
]);
export type ComparisonOperator = z.infer<typeof comparison>;

const positive = z.coerce.number().int().min(1);

export const alarmProperties = z.strictObject({
  ...alarm,
  Namespace: z.string().optional(),
  MetricName: z.string().optional(),
  Dimensions: dimensions.optional(),
  Statistic: z.enum(['Average', 'Sum', 'Minimum', 'Maximum', 'SampleCount']).optional(),
  ExtendedStatistic: z.string().optional(),
  Period: z.coerce
    .number()
    .refine(seconds => isPeriod(seconds) && seconds >= 10, '10, 20, 30 or a multiple of 60')
    .optional(),
  Unit: unit.optional(),
  Metrics: z.array(metricDataQuery).optional(),
  EvaluationPeriods: positive,
  DatapointsToAlarm: positive.optional(),
  Threshold: z.coerce.number().optional(),
  ThresholdMetricId: z.string().optional(),
  ComparisonOperator: comparison,
  TreatMissingData: z.enum(['breaching', 'notBreaching', 'ignore', 'missing']).default('missing'),
  EvaluateLowSampleCountPercentile: z.enum(['evaluate', 'ignore']).default('evaluate'),
});
export type AlarmProperties = z.output<typeof alarmProperties>;

export const compositeAlarmProperties = z.strictObject({
  ...alarm,
  // "PutCompositeAlarm".
  AlarmRule: z.string().min(1).max(10_240),
  ActionsSuppressor: z.string().optional(),
  ActionsSuppressorWaitPeriod: z.coerce.number().int().min(0).optional(),
  ActionsSuppressorExtensionPeriod: z.coerce.number().int().min(0).optional(),
});
export type CompositeAlarmProperties = z.output<typeof compositeAlarmProperties>;

export const muteRuleProperties = z.strictObject({
  Name: z.string().min(1).max(255).optional(),
  Description: z.string().max(1024).optional(),
  Rule: z.strictObject({
    Schedule: z.strictObject({
      Expression: z.string().min(1).max(256),
      Duration: z.string().min(1).max(50),
      Timezone: z.string().min(1).max(50).optional(),
    }),
  }),
  // "Each mute rule can target up to 100 specific alarms".
  MuteTargets: z.strictObject({ AlarmNames: z.array(z.string()).max(100) }).optional(),
  StartDate: z.string().optional(),
  ExpireDate: z.string().optional(),
  Tags: tags,
});

const metricStat = {
  Namespace: z.string(),
  MetricName: z.string(),
  Dimensions: dimensions.optional(),
  Stat: z.string(),
};

/** A detector changes nothing here: every band learns from its own metric's last hours. */
export const anomalyDetectorProperties = z.strictObject({
  ...z.object(metricStat).partial().shape,
  SingleMetricAnomalyDetector: z.strictObject(metricStat).optional(),
  MetricMathAnomalyDetector: z.strictObject({ MetricDataQueries: z.array(metricDataQuery) }).optional(),
  Configuration: z.strictObject({ MetricTimeZone: z.string().optional() }).optional(),
});

export const dashboardProperties = z.strictObject({
  DashboardName: z
    .string()
    .regex(/^[\w-]{1,255}$/)
    .optional(),
  DashboardBody: z.string(),
  Tags: tags,
});
