import { existsSync } from 'node:fs';
import { createRequire, registerHooks } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { types } from 'node:util';
import { parentPort, workerData } from 'node:worker_threads';
import { suffer } from '../faults/invocation-fault.ts';
import type { Invocation, Report, SandboxData } from './execution-environment.ts';

/**
 * Runs inside a worker thread as the process that Lambda starts for a function: loads the bundle once, then handles one
 * invocation at a time.
 */
const { path, exportName, memoryMegabytes } = workerData as SandboxData;
const port = parentPort;
if (!port) throw new Error('runs in a worker thread only');

// Through the port rather than the thread's own streams: in order with the reports, and not lost when the thread ends.
for (const stream of ['stdout', 'stderr'] as const) {
  process[stream].write = (
    chunk: Uint8Array | string,
    encoding?: BufferEncoding | ((error?: Error | null) => void),
    written?: (error?: Error | null) => void,
  ): boolean => {
    const text = typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString();
    port.postMessage({ kind: 'output', stream, text } satisfies Report);
    const callback = typeof encoding === 'function' ? encoding : written;
    if (callback) process.nextTick(callback);
    return true;
  };
}

// On Lambda nothing lies above the bundle. Here a package.json further up could say that its files are ES modules.
const root = pathToFileURL(join(dirname(path), '/')).href;
if (!existsSync(join(dirname(path), 'package.json'))) {
  registerHooks({
    load: (url, context, next) =>
      next(url, url.startsWith(root) && url.endsWith('.js') ? { ...context, format: 'commonjs' } : context),
  });
}

type Handler = (event: unknown, context: object) => unknown;
const handler = (createRequire(import.meta.url)(path) as Record<string, Handler>)[exportName];
if (typeof handler !== 'function') {
  const error = new Error(`${exportName} is undefined or not exported`);
  error.name = 'Runtime.HandlerNotFound';
  throw error;
}

const context = (invocation: Invocation) => ({
  ...invocation.context,
  callbackWaitsForEmptyEventLoop: true,
  getRemainingTimeInMillis: () => Math.max(0, invocation.deadline - Date.now()),
});

/** As the runtime interface client of Lambda does: what is not JSON does not leave the function. */
function serialized(result: unknown): string {
  try {
    return JSON.stringify(result) ?? 'null';
  } catch {
    throw new Error('Unable to stringify response body');
  }
}

/**
 * V8 ends the thread when its heap is too large; buffers are outside of it. Lambda ends the process for both, and its runtime, at
 * once: here it is looked at after the initialization, every so often while an invocation runs, and before it answers. What the
 * runtime itself takes (some 50 MB) is not known of a thread, and a peak that is over by then is not seen.
 */
const isExhausted = (): boolean => {
  const { heapTotal, external } = process.memoryUsage();
  return heapTotal + external > memoryMegabytes * 1024 * 1024;
};
const lookEveryMs = 100;
port.postMessage({ kind: isExhausted() ? 'exhausted' : 'initialized' } satisfies Report);

async function run(invocation: Invocation): Promise<Report> {
  const looking = setInterval(() => {
    if (isExhausted()) port?.postMessage({ kind: 'exhausted' } satisfies Report);
  }, lookEveryMs);
  const report = await handled(invocation);
  clearInterval(looking);
  return isExhausted() ? { kind: 'exhausted' } : report;
}

async function handled(invocation: Invocation): Promise<Report> {
  try {
    const work = async () => handler?.(JSON.parse(invocation.event), context(invocation));
    const result = await (invocation.fault ? suffer(invocation.fault, work) : work());
    return { kind: 'answered', payload: serialized(result) };
  } catch (thrown) {
    if (!types.isNativeError(thrown)) {
      return { kind: 'failed', errorType: typeof thrown, errorMessage: String(thrown) };
    }
    const { name, message, stack } = thrown;
    return { kind: 'failed', errorType: name, errorMessage: message, ...(stack === undefined ? {} : { stack }) };
  }
}

port.on('message', (invocation: Invocation) => {
  void run(invocation).then(report => port.postMessage(report));
});
