import { z } from 'zod';

/**
 * The environment variables of a function. The construct that creates the function must give exactly these
 * (`VariablesOf`), so that a name stands in one place and a missing one does not compile.
 */
export type VariablesOf<Schema extends z.ZodObject> = Readonly<Record<keyof z.infer<Schema> & string, string>>;

/** @throws Error that names every variable that is missing or malformed. */
export function readVariables<Schema extends z.ZodObject>(schema: Schema): z.infer<Schema> {
  const result = schema.safeParse(process.env);
  if (result.success) return result.data;
  throw new Error(`environment variables: ${z.prettifyError(result.error)}`);
}

export const number = z
  .string()
  .regex(/^\d+(\.\d+)?$/)
  .transform(Number);
export const flag = z.enum(['true', 'false']).transform(value => value === 'true');
