import type { z } from 'zod';
import type { Resource } from '../assembly/resource.ts';

const named = (resource: Resource): string => `${resource.stack}: ${resource.logicalId} (${resource.type})`;

/** An error at start about one property of one resource. */
export function propertyError(resource: Resource, property: string, message: string): Error {
  return new Error(`${named(resource)}: property ${property}: ${message}`);
}

/**
 * Reads a resource's properties strictly.
 * @throws Error that names stack, logical id and every property that is wrong or that the local environment cannot run.
 */
export function readProperties<T>(resource: Resource, schema: z.ZodType<T>): T {
  const result = schema.safeParse(resource.properties);
  if (result.success) return result.data;
  const faults = result.error.issues.flatMap(issue =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map(key => `property ${[...issue.path, key].join('.')}: the local environment does not run it`)
      : [`property ${issue.path.join('.')}: ${issue.message}`],
  );
  throw new Error(`${named(resource)}: ${faults.join('; ')}`);
}
