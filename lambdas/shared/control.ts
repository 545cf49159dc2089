import { type DynamoDBDocumentClient, GetCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { z } from 'zod';
import type { ItemReader } from './item-reader.ts';
import { operationsTable } from './tables.ts';

const count = z.number().int().positive();
/** Epoch milliseconds. */
const time = z.number().nonnegative();

/**
 * What an operator or a playbook asks of the functions while they run. Every field is optional in the record, an
 * attribute of its own at the top level, so that a state machine sets one by `UpdateItem` without reading the others.
 */
const fields = {
  /** Rises when every environment is to rebuild its clients and caches. */
  generation: z.number().int().nonnegative(),
  /** Whether `$connect` takes new connections. Open ones stay. */
  admission: z.enum(['open', 'closed']),
  /** One message per this many milliseconds for each publisher and channel; `null` where there is no limit. */
  throttleMs: count.max(60_000).nullable(),
  /** `degraded`: heartbeats are answered and not written, nobody is evicted, `presence` is not told. */
  presence: z.enum(['full', 'degraded']),
  /** Posts under way at once in one function environment; `null` for the setting. */
  postParallelism: count.max(1_000).nullable(),
  /**
   * How far delivery is scaled up: shards of a channel that becomes large from now on, further batches and parts of the request
   * quota that one fan-out invocation takes; `null` for none.
   */
  shards: count.max(1_000).nullable(),
  /** Publications of `until` and before are logged and not posted. */
  flush: z.object({ until: time }).nullable(),
  /** A drain is under way; its disconnects are planned. */
  drain: z.object({ startedAt: time, windowSeconds: count, reason: z.string() }).nullable(),
  /** An incident is open: the baseline of connections stays what it was before. */
  baselineFrozen: z.boolean(),
} as const;

export const controlSchema = z.object(fields);
export type Control = z.infer<typeof controlSchema>;

/** What holds where the record says nothing. */
export const defaultControl: Control = {
  generation: 0,
  admission: 'open',
  throttleMs: null,
  presence: 'full',
  postParallelism: null,
  shards: null,
  flush: null,
  drain: null,
  baselineFrozen: false,
};

/** The name of the control record. */
export const controlRecord = 'control';
/** Its key in the Operations table. */
export const controlKey = { [operationsTable.partitionKey]: controlRecord };

export interface ControlReader {
  /** At most 2 s old. Never throws: where it cannot be read, the last known one holds, or the default. */
  read(): Promise<Control>;
}

export interface ControlStore extends ControlReader {
  /**
   * Sets single fields; those that are `null` are removed. Others stay as they are.
   * @throws ZodError for a value out of bounds
   */
  write(changes: Partial<Control>): Promise<void>;
}

/** How stale a control record may be. */
const keptMs = 2_000;
/** A function answers by the last known record rather than late: the SDK's own tries take 6 s … */
export const readTimeoutMs = 500;
/** … but at first nothing is known, and the connection to the store is made meanwhile. */
const firstTimeoutMs = 2_000;

export interface ControlOptions {
  /** How long the first reading may take, milliseconds; 2,000 if not given. */
  readonly firstTimeoutMs?: number;
  readonly now?: () => number;
}

/** Told of a record that cannot be read, once for each try. */
export type ControlFailure = (message: string, error: Error) => void;

/** What of an item is valid; the rest is told and the default. */
export function controlOf(item: Readonly<Record<string, unknown>>, failed: ControlFailure): Control {
  const set = Object.entries(item).filter(([name, value]) => name in fields && value !== null);
  const valid = set.filter(([name, value]) => {
    const parsed = fields[name as keyof Control].safeParse(value);
    if (!parsed.success) failed(`control record: ${name} is not valid, its default holds`, parsed.error);
    return parsed.success;
  });
  return { ...defaultControl, ...Object.fromEntries(valid) };
}

/**
 * Reads the control record every 2 s at most.
 * @param readItem gives the item as it is in the table; rejects where the signal gives it up
 */
export function keptControl(
  readItem: ItemReader,
  failed: ControlFailure,
  options: ControlOptions = {},
): ControlReader & { forget(): void } {
  const { now = Date.now } = options;
  let last = defaultControl;
  let timeoutMs = options.firstTimeoutMs ?? firstTimeoutMs;
  let until = Number.NEGATIVE_INFINITY;
  let underWay: Promise<Control> | undefined;
  const fetch = async (): Promise<Control> => {
    try {
      last = controlOf(await readItem(AbortSignal.timeout(timeoutMs)), failed);
    } catch (error) {
      failed('control record not read, the last known one holds', error as Error);
    }
    timeoutMs = Math.min(timeoutMs, readTimeoutMs);
    until = now() + keptMs;
    return last;
  };
  return {
    async read() {
      if (now() < until) return last;
      underWay ??= fetch().finally(() => {
        underWay = undefined;
      });
      return underWay;
    },
    forget() {
      until = Number.NEGATIVE_INFINITY;
    },
  };
}

/** The control record over a client that is given, for whoever writes it. */
export function dynamoDbControl(
  client: DynamoDBDocumentClient,
  tableName: string,
  failed: ControlFailure,
  options: ControlOptions = {},
): ControlStore {
  const { read, forget } = keptControl(
    async abortSignal => {
      const { Item } = await client.send(new GetCommand({ TableName: tableName, Key: controlKey }), { abortSignal });
      return Item ?? {};
    },
    failed,
    options,
  );
  return {
    read,
    async write(changes) {
      const entries = Object.entries(z.object(fields).partial().strict().parse(changes));
      if (entries.length === 0) return;
      const set = entries.filter(([, value]) => value !== null);
      const removed = entries.filter(([, value]) => value === null);
      await client.send(
        new UpdateCommand({
          TableName: tableName,
          Key: controlKey,
          UpdateExpression: [
            set.length > 0 && `SET ${set.map(([name]) => `#${name} = :${name}`).join(', ')}`,
            removed.length > 0 && `REMOVE ${removed.map(([name]) => `#${name}`).join(', ')}`,
          ]
            .filter(Boolean)
            .join(' '),
          ExpressionAttributeNames: Object.fromEntries(entries.map(([name]) => [`#${name}`, name])),
          ...(set.length > 0 && {
            ExpressionAttributeValues: Object.fromEntries(set.map(([name, value]) => [`:${name}`, value])),
          }),
        }),
      );
      forget();
    },
  };
}
