import { z } from 'zod';

// "Dashboard body structure and syntax" in the CloudWatch API reference, as far as metric, text and alarm widgets go. A property
// that is not here is refused.

const region = z.string().regex(/^[a-z]{2}(?:-[a-z]+)+-\d$/);
const color = z.string().regex(/^#[0-9a-f]{6}$/i);
const statistic = z
  .string()
  .regex(/^(?:SampleCount|Average|Sum|Minimum|Maximum|IQM|p\d{1,2}(?:\.\d{1,10})?|(?:tm|wm|tc|ts)\d{1,2}(?:\.\d+)?)$/);
const period = z.int().refine(seconds => [1, 5, 10, 20, 30].includes(seconds) || (seconds >= 60 && seconds % 60 === 0));
const alarmArn = z.string().regex(/^arn:[^:]+:cloudwatch:[^:]+:\d{12}:alarm:.+$/);

const rendering = {
  color: color.optional(),
  id: z
    .string()
    .regex(/^[a-z]\w*$/)
    .optional(),
  label: z.string().optional(),
  period: period.optional(),
  region: region.optional(),
  visible: z.boolean().optional(),
  yAxis: z.enum(['left', 'right']).optional(),
};

/** `[namespace, name, dimension, value, …, {rendering}]`, at most 30 dimensions. */
const metric = z
  .tuple([z.string().min(1), z.string().min(1)], z.union([z.string().min(1), z.looseObject({})]))
  .transform((parts, context) => {
    const last = parts.at(-1);
    const options = typeof last === 'object' ? last : {};
    const names = parts.slice(2).filter(part => typeof part === 'string');
    const objects = parts.filter(part => typeof part === 'object');
    if (names.length % 2 !== 0 || names.length > 60) context.addIssue('dimensions come in pairs, at most 30');
    if (objects.length > 1 || (objects.length === 1 && typeof last !== 'object'))
      context.addIssue('the rendering object is the last');
    const read = z.strictObject({ ...rendering, stat: statistic.optional() }).safeParse(options);
    if (!read.success) context.addIssue(read.error.message);
    return parts;
  });

const expression = z.tuple([
  z.strictObject({ ...rendering, expression: z.string().min(1).max(2_048), stat: statistic.optional() }),
]);

const horizontal = z.strictObject({
  value: z.number(),
  label: z.string().optional(),
  color: color.optional(),
  fill: z.enum(['above', 'below', 'none']).optional(),
  visible: z.boolean().optional(),
  yAxis: z.enum(['left', 'right']).optional(),
});
const axis = z.strictObject({
  label: z.string().optional(),
  min: z.number().optional(),
  max: z.number().optional(),
  showUnits: z.boolean().optional(),
});

const place = {
  x: z.int().min(0).max(23),
  y: z.int().min(0),
  width: z.int().min(1).max(24),
  height: z.int().min(1).max(1_000),
};

const widget = z
  .discriminatedUnion('type', [
    z.strictObject({
      type: z.literal('text'),
      ...place,
      properties: z.strictObject({
        markdown: z.string().min(1),
        background: z.enum(['solid', 'transparent']).optional(),
      }),
    }),
    z.strictObject({
      type: z.literal('alarm'),
      ...place,
      properties: z.strictObject({
        alarms: z.array(alarmArn).min(1).max(100),
        title: z.string().optional(),
        sortBy: z.enum(['default', 'stateUpdatedTimestamp', 'timestamp']).optional(),
        states: z.array(z.enum(['ALARM', 'INSUFFICIENT_DATA', 'OK'])).optional(),
      }),
    }),
    z.strictObject({
      type: z.literal('metric'),
      ...place,
      properties: z.strictObject({
        metrics: z
          .array(z.union([expression, metric]))
          .min(1)
          .max(500),
        region,
        view: z.enum(['timeSeries', 'singleValue', 'gauge', 'bar', 'pie', 'table']).optional(),
        title: z.string().optional(),
        stacked: z.boolean().optional(),
        stat: statistic.optional(),
        period: period.optional(),
        annotations: z.strictObject({ horizontal: z.array(horizontal) }).optional(),
        yAxis: z.strictObject({ left: axis.optional(), right: axis.optional() }).optional(),
        legend: z.strictObject({ position: z.enum(['right', 'bottom', 'hidden']) }).optional(),
        liveData: z.boolean().optional(),
      }),
    }),
  ])
  .refine(({ x, width }) => x + width <= 24, 'the grid is 24 wide');
export type Widget = z.output<typeof widget>;

export const dashboardBody = z.strictObject({
  start: z.string().optional(),
  end: z.string().optional(),
  periodOverride: z.enum(['auto', 'inherit']).optional(),
  widgets: z.array(widget).max(500),
});
