import { createRequire } from 'node:module';
import { parentPort, workerData } from 'node:worker_threads';
import type { Invocation, Outcome, SandboxData } from './execution-environment.ts';

/**
 * Runs inside a worker thread as the process that Lambda starts for a function: loads the bundle once, then handles one
 * invocation at a time.
 */
const { path, exportName } = workerData as SandboxData;
const port = parentPort;
if (!port) throw new Error('runs in a worker thread only');

type Handler = (event: unknown, context: object) => unknown;
const handler = (createRequire(import.meta.url)(path) as Record<string, Handler>)[exportName];
if (typeof handler !== 'function') throw new Error(`the bundle exports no ${exportName}`);

const context = (invocation: Invocation) => ({
  ...invocation.context,
  callbackWaitsForEmptyEventLoop: true,
  getRemainingTimeInMillis: () => Math.max(0, invocation.deadline - Date.now()),
});

async function run(invocation: Invocation): Promise<Outcome> {
  try {
    // Through JSON, as Lambda does: what is not JSON does not leave the function.
    const result = await handler?.(JSON.parse(invocation.event), context(invocation));
    return { ok: true, payload: JSON.stringify(result) ?? 'null' };
  } catch (thrown) {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    console.error(
      JSON.stringify({ level: 'ERROR', message: 'Invoke Error', errorType: error.name, stack: error.stack }),
    );
    return { ok: false, errorType: error.name, errorMessage: error.message };
  }
}

port.on('message', (invocation: Invocation) => {
  void run(invocation).then(outcome => port.postMessage(outcome));
});
