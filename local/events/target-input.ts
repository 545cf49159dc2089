import { z } from 'zod';
import { type JsonPath, parseJsonPath, readJsonPath } from '../stepfunctions/json-path.ts';

/** An event as rules see it and targets get it. */
export interface BusEvent {
  readonly version: '0';
  readonly id: string;
  readonly 'detail-type': string;
  readonly source: string;
  readonly account: string;
  readonly time: string;
  readonly region: string;
  readonly resources: readonly string[];
  readonly detail: unknown;
}

export const inputTransformer = z.strictObject({
  InputPathsMap: z.record(z.string().regex(/^[\w-]+$/), z.string()).default({}),
  InputTemplate: z.string().min(1).max(8192),
});

/** What a target gets of an event. @throws Error where the template gives no JSON */
export type TargetInput = (event: BusEvent, rule: { readonly arn: string; readonly name: string }) => unknown;

/**
 * Reads `Input`, `InputPath` or `InputTransformer` of a target, of which there is one at most.
 * @throws Error that tells what is wrong or not run here
 */
export function readTargetInput({
  Input,
  InputPath,
  InputTransformer,
}: {
  readonly Input?: string | undefined;
  readonly InputPath?: string | undefined;
  readonly InputTransformer?: z.output<typeof inputTransformer> | undefined;
}): TargetInput {
  if ([Input, InputPath, InputTransformer].filter(each => each !== undefined).length > 1)
    throw new Error('only one of Input, InputPath and InputTransformer can be given');
  if (Input !== undefined) {
    const value: unknown = JSON.parse(Input);
    return () => value;
  }
  if (InputPath !== undefined) {
    const path = parseJsonPath(InputPath);
    return event => readJsonPath(path, event);
  }
  if (!InputTransformer) return event => event;
  const { InputPathsMap, InputTemplate } = InputTransformer;
  const paths = new Map(Object.entries(InputPathsMap).map(([name, path]) => [name, parseJsonPath(path)]));
  for (const [, name = ''] of InputTemplate.matchAll(placeholder))
    if (!paths.has(name) && !predefined.has(name))
      throw new Error(`InputTemplate names <${name}>, which no path gives`);
  return (event, rule) => transform(InputTemplate, paths, event, rule);
}

const placeholder = /<([\w.-]+)>/g;
/** "Amazon EventBridge input transformation", predefined variables. */
const predefined = new Set([
  'aws.events.rule-arn',
  'aws.events.rule-name',
  'aws.events.event.ingestion-time',
  'aws.events.event',
  'aws.events.event.json',
]);

function transform(
  template: string,
  paths: ReadonlyMap<string, JsonPath>,
  event: BusEvent,
  { arn, name: ruleName }: { readonly arn: string; readonly name: string },
): unknown {
  const { detail: _, ...withoutDetail } = event;
  const resolve = (name: string): unknown => {
    const path = paths.get(name);
    if (path) return readJsonPath(path, event);
    if (name === 'aws.events.rule-arn') return arn;
    if (name === 'aws.events.rule-name') return ruleName;
    if (name === 'aws.events.event.ingestion-time') return event.time;
    return name === 'aws.events.event' ? withoutDetail : event;
  };
  // Inside quotes a value is part of a string; outside it is JSON of its own.
  let isQuoted = false;
  const filled = template.replace(/\\.|"|<([\w.-]+)>/g, (token, name: string | undefined) => {
    if (token === '"') isQuoted = !isQuoted;
    if (name === undefined) return token;
    const value = resolve(name);
    if (!isQuoted) return JSON.stringify(value) ?? '""';
    const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
    return JSON.stringify(text).slice(1, -1);
  });
  return JSON.parse(filled);
}
