import { setTimeout } from 'node:timers/promises';
import { type DynamoDBDocumentClient, GetCommand } from '@aws-sdk/lib-dynamodb';
import { documentClient } from './dynamodb.ts';

/** Reads one item, empty where there is none; rejects where the signal gives it up. */
export type ItemReader = (signal: AbortSignal) => Promise<Readonly<Record<string, unknown>>>;

export interface OwnConnectionOptions {
  /** A client with a socket of its own, which tries once; given where a test wants to see it. */
  readonly open?: () => DynamoDBDocumentClient;
  /** How long an answer over a socket that is kept may take before another one is tried, milliseconds. */
  readonly patienceMs?: number;
}

/** Tries once: who reads decides what a failure means. */
const openOne = (): DynamoDBDocumentClient =>
  documentClient({ maxAttempts: 1, requestHandler: { connectionTimeout: 1_000 } });

/** Twenty times what DynamoDB takes for an item. */
const promptMs = 200;

/**
 * Reads an item over a socket that nothing else uses. It is kept while it answers well. Where it fails, or is slow, the
 * item is read over a new one too, and the first answer counts: a socket that ends at a sick host is left at once, and a
 * store that is slow for everybody is waited for as long as the signal allows. Nothing is under way when it settles.
 */
export function itemOverOwnConnection(
  tableName: string,
  key: Readonly<Record<string, unknown>>,
  options: OwnConnectionOptions = {},
): ItemReader {
  const { open = openOne, patienceMs = promptMs } = options;
  let client = open();
  /** Whether something has been answered, so that its socket may be one of long ago. */
  let kept = false;
  const ask = async (abortSignal: AbortSignal) => {
    const { Item = {} } = await client.send(new GetCommand({ TableName: tableName, Key: key }), { abortSignal });
    return Item as Readonly<Record<string, unknown>>;
  };
  return async signal => {
    const over = new AbortController();
    const stopped = AbortSignal.any([signal, over.signal]);
    const asked = [client];
    const first = ask(stopped);
    const answers = [first];
    try {
      if (kept && !(await isPrompt(first, patienceMs, stopped))) {
        client = open();
        asked.push(client);
        answers.push(ask(stopped));
      }
      const item = await Promise.any(answers);
      kept = true;
      return item;
    } catch (error) {
      client = open();
      kept = false;
      throw (error as AggregateError).errors.at(-1);
    } finally {
      over.abort();
      for (const other of asked) if (other !== client) other.destroy();
    }
  };
}

const isPrompt = (answer: Promise<unknown>, withinMs: number, signal: AbortSignal): Promise<boolean> =>
  Promise.race([
    answer.then(
      () => true,
      () => false,
    ),
    setTimeout(withinMs, false, { signal }).catch(() => false),
  ]);
