import type { z } from 'zod';
import type { Resource } from './resource.ts';
import { TemplateError } from './template-error.ts';

/** A resource with its properties validated. */
export interface Declared<Properties> {
  readonly resource: Resource;
  readonly properties: Properties;
}

/** An error at start about a resource: `<stack>.<logical id> (<type>): <message>`. */
export function declarationError({ stack, logicalId, type }: Resource, message: string): TemplateError {
  return new TemplateError(`${stack}.${logicalId} (${type}): ${message}`);
}

/** An error at start about one property of a resource. */
export function propertyError(resource: Resource, property: string, message: string): TemplateError {
  return declarationError(resource, `property ${property}: ${message}`);
}

/**
 * Reads a resource's properties strictly.
 * @throws TemplateError that names stack, logical id and every property that is wrong or that the local environment cannot run.
 */
export function readProperties<Schema extends z.ZodType>(resource: Resource, schema: Schema): z.output<Schema> {
  const result = schema.safeParse(resource.properties);
  if (result.success) return result.data;
  const faults = result.error.issues.flatMap(issue =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map(key => `property ${[...issue.path, key].join('.')}: the local environment does not run it`)
      : [`property ${issue.path.join('.')}: ${issue.message}`],
  );
  throw declarationError(resource, faults.join('; '));
}

/**
 * The resources of one type with their properties read.
 * @throws TemplateError as `readProperties`
 */
export function declared<Schema extends z.ZodType>(
  resources: readonly Resource[],
  type: string,
  schema: Schema,
): Declared<z.output<Schema>>[] {
  return resources
    .filter(resource => resource.type === type)
    .map(resource => ({ resource, properties: readProperties(resource, schema) }));
}
