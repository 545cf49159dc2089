import { z } from 'zod';
import { generatedName } from '../assembly/generated-name.ts';
import type { Identities, Resource } from '../assembly/resource.ts';
import { declared, propertyError } from '../assembly/resource-properties.ts';
import { isTrusted } from '../iam/trust.ts';
import { parseScheduleExpression, type Schedule } from '../scheduler/schedule-expression.ts';
import { type EventPattern, parseEventPattern } from './event-pattern.ts';
import { inputTransformer, readTargetInput, type TargetInput } from './target-input.ts';

/** "Amazon EventBridge quotas": rule names have up to 64 characters. */
const maxNameLength = 64;

/** The resource type of `startEvents`. */
export const identities: Identities = {
  'AWS::Events::Rule': ({ stack, logicalId, property }, { partition, region, account }) => {
    const declaredName = property('Name');
    const name = typeof declaredName === 'string' ? declaredName : generatedName(stack, logicalId, maxNameLength);
    return { physicalId: name, attributes: { Arn: `arn:${partition}:events:${region}:${account}:rule/${name}` } };
  },
};

const targetProperties = z.strictObject({
  Id: z.string(),
  Arn: z.string(),
  RoleArn: z.string().optional(),
  Input: z.string().max(8192).optional(),
  InputPath: z.string().max(256).optional(),
  InputTransformer: inputTransformer.optional(),
  // "Retry policy and using dead-letter queues": 24 hours and 185 times where nothing is said.
  RetryPolicy: z
    .strictObject({
      MaximumRetryAttempts: z.number().int().min(0).max(185).default(185),
      MaximumEventAgeInSeconds: z.number().int().min(60).max(86_400).default(86_400),
    })
    .default({ MaximumRetryAttempts: 185, MaximumEventAgeInSeconds: 86_400 }),
  DeadLetterConfig: z.strictObject({ Arn: z.string().optional() }).default({}),
  SqsParameters: z.strictObject({ MessageGroupId: z.string() }).optional(),
});

const ruleProperties = z.strictObject({
  Name: z.string().max(maxNameLength).optional(),
  Description: z.string().optional(),
  EventBusName: z
    .union([z.literal('default'), z.string().endsWith(':event-bus/default', 'only the default bus is run')])
    .optional(),
  EventPattern: z.record(z.string(), z.unknown()).optional(),
  ScheduleExpression: z.string().optional(),
  State: z.enum(['ENABLED', 'DISABLED']).default('ENABLED'),
  RoleArn: z.never('only roles of targets are run').optional(),
  Targets: z.array(targetProperties).max(5, '"Amazon EventBridge quotas": 5 targets for a rule').default([]),
  Tags: z.unknown().optional(),
});

export type TargetService = 'states' | 'lambda' | 'sqs' | 'sns';

export interface Target {
  readonly id: string;
  readonly arn: string;
  readonly service: TargetService;
  /** Present where the target is a state machine. */
  readonly roleArn: string | undefined;
  readonly input: TargetInput;
  readonly maxRetryAttempts: number;
  readonly maxEventAgeSeconds: number;
  readonly deadLetterQueueArn: string | undefined;
  readonly messageGroupId: string | undefined;
}

export interface Rule {
  readonly name: string;
  readonly arn: string;
  readonly isEnabled: boolean;
  readonly matches: EventPattern | undefined;
  readonly schedule: Schedule | undefined;
  readonly targets: readonly Target[];
}

/** @throws TemplateError that names stack, logical id and property of what is wrong or cannot be run here */
export function readRules(resources: readonly Resource[]): readonly Rule[] {
  return declared(resources, 'AWS::Events::Rule', ruleProperties).map(({ resource, properties }) => {
    const { EventPattern: pattern, ScheduleExpression, State, Targets } = properties;
    const read = <Value>(property: string, parse: () => Value): Value => {
      try {
        return parse();
      } catch (error) {
        throw propertyError(resource, property, (error as Error).message);
      }
    };
    if (pattern === undefined && ScheduleExpression === undefined)
      throw propertyError(resource, 'EventPattern', 'or ScheduleExpression is needed');
    const schedule =
      ScheduleExpression === undefined
        ? undefined
        : read('ScheduleExpression', () => parseScheduleExpression(ScheduleExpression));
    if (schedule?.kind === 'once')
      throw propertyError(resource, 'ScheduleExpression', 'a rule takes rate(…) or cron(…)');
    return {
      name: resource.physicalId,
      arn: resource.attributes.Arn ?? '',
      isEnabled: State === 'ENABLED',
      matches: pattern && read('EventPattern', () => parseEventPattern(pattern)),
      schedule,
      targets: Targets.map((target, index) => readTarget(resources, resource, `Targets.${index}`, target, read)),
    };
  });
}

function readTarget(
  resources: readonly Resource[],
  rule: Resource,
  property: string,
  target: z.output<typeof targetProperties>,
  read: <Value>(property: string, parse: () => Value) => Value,
): Target {
  const { Id, Arn, RoleArn, RetryPolicy, DeadLetterConfig, SqsParameters } = target;
  const service = z.enum(['states', 'lambda', 'sqs', 'sns']).safeParse(Arn.split(':')[2]);
  if (!service.success)
    throw propertyError(rule, `${property}.Arn`, 'state machines, functions, queues and topics are run as targets');
  if (service.data === 'states') {
    if (RoleArn === undefined) throw propertyError(rule, `${property}.RoleArn`, 'is needed for a state machine');
    if (isTrusted(resources, RoleArn, 'events.amazonaws.com') === false)
      throw propertyError(rule, `${property}.RoleArn`, `${RoleArn} does not let events.amazonaws.com assume it`);
  } else if (RoleArn !== undefined)
    throw propertyError(rule, `${property}.RoleArn`, 'is run for state machines only, others have policies');
  return {
    id: Id,
    arn: Arn,
    service: service.data,
    roleArn: RoleArn,
    input: read(property, () => readTargetInput(target)),
    maxRetryAttempts: RetryPolicy.MaximumRetryAttempts,
    maxEventAgeSeconds: RetryPolicy.MaximumEventAgeInSeconds,
    deadLetterQueueArn: DeadLetterConfig.Arn,
    messageGroupId: SqsParameters?.MessageGroupId,
  };
}
