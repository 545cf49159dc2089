import { readFile } from 'node:fs/promises';
import type { FaultSpec } from './catalogue.ts';
import { controlAddress, controlFile } from './control-server.ts';
import { FaultError } from './fault-error.ts';
import type { ActiveFault } from './faults.ts';

/** The faults of an environment that runs in another process. */
export interface RemoteFaults {
  inject(spec: FaultSpec): Promise<ActiveFault>;
  list(): Promise<readonly ActiveFault[]>;
  clear(id?: string): Promise<void>;
}

/**
 * Finds the environment that runs with a state directory.
 * @throws FaultError where none runs; each method, where the environment refuses
 */
export async function connectToFaults(stateDirectory: string): Promise<RemoteFaults> {
  const nobody = () => new FaultError(`no environment runs with the state directory '${stateDirectory}': npm start`);
  const stored = await readFile(controlFile(stateDirectory), 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'ENOENT' ? nobody() : error;
  });
  const { url, secret } = controlAddress.parse(JSON.parse(stored));

  async function call(method: string, path: string, body?: unknown): Promise<unknown> {
    const response = await fetch(`${url}/${path}`, {
      method,
      headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    }).catch((error: Error) => {
      // It ended without removing its address.
      if ((error.cause as NodeJS.ErrnoException | undefined)?.code === 'ECONNREFUSED') throw nobody();
      throw error;
    });
    const reply = (await response.json()) as { readonly message?: string };
    if (!response.ok) throw new FaultError(reply.message ?? `the environment answered ${response.status}`);
    return reply;
  }

  return {
    inject: async spec => (await call('POST', 'faults', spec)) as ActiveFault,
    list: async () => (await call('GET', 'faults')) as readonly ActiveFault[],
    clear: async id => {
      await call('DELETE', id === undefined ? 'faults' : `faults/${encodeURIComponent(id)}`);
    },
  };
}
