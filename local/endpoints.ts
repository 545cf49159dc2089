import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';

const schema = z.object({
  websocketUrl: z.url(),
  httpUrl: z.url(),
  jwksUrl: z.url(),
  /** Where AWS's APIs are served, for `AWS_ENDPOINT_URL`. */
  awsUrl: z.url(),
  region: z.string(),
  pid: z.number(),
  /** The monitoring clock, for who asks the time in another process. */
  monitoring: z.object({ start: z.number(), scale: z.number() }),
});

/** Where a local environment is to be found. */
export type Endpoints = Readonly<z.infer<typeof schema>>;

/** The file in which an environment says so for as long as it runs. */
export const endpointsFile = (stateDirectory: string): string => join(stateDirectory, 'endpoints.json');

/** @returns undefined where no environment runs with this state directory @throws ZodError for a file that none of this version wrote */
export async function readEndpoints(stateDirectory: string): Promise<Endpoints | undefined> {
  const stored = await readFile(endpointsFile(stateDirectory), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  return stored === undefined ? undefined : schema.parse(JSON.parse(stored));
}
