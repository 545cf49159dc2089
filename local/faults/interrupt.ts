import { setTimeout as wait } from 'node:timers/promises';
import { AwsError } from '../aws/service.ts';
import type { RequestEffect } from './points.ts';

/** The connection of a request is to be closed without an answer. */
export class ConnectionCut extends Error {
  constructor() {
    super('a fault cuts the connection');
    this.name = 'ConnectionCut';
  }
}

/** Waits, but no longer than the fault lasts. */
export async function pause(delayMs: number, ended: AbortSignal): Promise<void> {
  try {
    await wait(delayMs, undefined, { signal: ended });
  } catch (error) {
    if (!ended.aborted) throw error;
  }
}

function over(ended: AbortSignal): Promise<void> {
  if (ended.aborted) return Promise.resolve();
  return new Promise(resolve => ended.addEventListener('abort', () => resolve(), { once: true }));
}

/**
 * Does to a request what a fault does to it; returns where the request goes on.
 * @throws AwsError that answers it, ConnectionCut where there is to be no answer
 */
export async function interrupt({
  delayMs,
  answer,
  ended,
}: RequestEffect & { readonly ended: AbortSignal }): Promise<void> {
  if (delayMs !== undefined) await pause(delayMs, ended);
  if (answer === undefined) return;
  if (answer === 'silence') await over(ended);
  if (answer === 'silence' || answer === 'cut') throw new ConnectionCut();
  throw new AwsError(answer.code, answer.message, answer.status);
}
