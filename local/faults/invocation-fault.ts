import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { setTimeout as wait } from 'node:timers/promises';
import type { InvocationEffect } from './points.ts';

/** Where Node's own client, and undici in a bundle too, tell that the head of an answer has come. */
const answers = ['http.client.response.finish', 'undici:request:headers'];

/** Ends the thread once so many calls were answered from now on, unless it is called off. */
function crashAfter(calls: number): () => void {
  let left = calls;
  const answered = () => {
    left -= 1;
    if (left === 0) process.exit(1);
  };
  for (const channel of answers) subscribe(channel, answered);
  return () => {
    for (const channel of answers) unsubscribe(channel, answered);
  };
}

/**
 * Runs in the thread of an execution environment: what happens to one invocation.
 * @throws Error the one that the fault says, in place of the work
 */
export async function suffer<T>(
  { delayMs, error, crashAfterCalls }: InvocationEffect,
  work: () => Promise<T>,
): Promise<T> {
  if (delayMs !== undefined) await wait(delayMs);
  if (crashAfterCalls === 0) process.exit(1);
  if (error !== undefined) throw Object.assign(new Error(error.errorMessage), { name: error.errorType });
  const callOff = crashAfterCalls === undefined ? () => {} : crashAfter(crashAfterCalls);
  try {
    return await work();
  } finally {
    callOff();
  }
}
