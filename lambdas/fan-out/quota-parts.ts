import { randomUUID } from 'node:crypto';
import { setInterval } from 'node:timers/promises';
import { type DynamoDBDocumentClient, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { z } from 'zod';
import { operationsTable } from '../shared/tables.ts';

/** The record of the Operations table in which environments say that they post. */
const postingRecord = 'posting';
/** How often an environment says so while it posts. */
const renewedMs = 1_000;
/** How long that is believed: two that were missed are none. */
const believedMs = 2_500;
/** An environment that is gone is taken out after this. */
const forgottenMs = 60_000;
/** Posting waits for no answer that is late: without one it keeps to its own part. */
const timeoutMs = 500;

const marksSchema = z.record(z.string(), z.unknown());
const markPrefix = 'e';

/**
 * Parts of the request quota that one of several environments at work may use. Each has one part of as many as there can be
 * invocations; what the idle ones leave is divided among those that post.
 * @param scale parts that it may use at most
 */
export const partsFor = (atWork: number, invocations: number, scale: number): number =>
  Math.max(1, Math.min(scale, invocations / Math.max(1, atWork)));

export interface QuotaPartsOptions {
  readonly client: DynamoDBDocumentClient;
  readonly tableName: string;
  /** Invocations that there can be at once, among which the quota is divided. */
  readonly invocations: number;
  /** Told the parts from now on. */
  readonly use: (parts: number) => void;
  readonly failed: (error: Error) => void;
  readonly now?: () => number;
}

export interface QuotaParts {
  /** Calls `post`, and meanwhile finds out how many parts of the quota there are for it, up to `scale`. */
  during<T>(scale: number, post: () => Promise<T>): Promise<T>;
}

/**
 * Divides the quota by the environments at work, where somebody asks for more than each one's own part of it. It takes a
 * write a second for each of them. The first time it says so an environment keeps to its own part, since others may begin
 * with it; so all together exceed the quota by what those have who began within the last second, one part each.
 */
export function quotaParts({
  client,
  tableName,
  invocations,
  use,
  failed,
  now = Date.now,
}: QuotaPartsOptions): QuotaParts {
  const me = `${markPrefix}${randomUUID()}`;
  let renewedAt = Number.NEGATIVE_INFINITY;
  let forgotten: readonly string[] = [];

  async function atWork(): Promise<number> {
    const time = now();
    const names = Object.fromEntries([me, ...forgotten].map((name, n) => [`#${n}`, name]));
    const removed = Object.keys(names).slice(1);
    const { Attributes } = await client.send(
      new UpdateCommand({
        TableName: tableName,
        Key: { [operationsTable.partitionKey]: postingRecord },
        UpdateExpression: `SET #0 = :now${removed.length > 0 ? ` REMOVE ${removed.join(', ')}` : ''}`,
        ExpressionAttributeNames: names,
        ExpressionAttributeValues: { ':now': time },
        ReturnValues: 'ALL_NEW',
      }),
      { abortSignal: AbortSignal.timeout(timeoutMs) },
    );
    const marks = Object.entries(marksSchema.parse(Attributes)).flatMap(([name, at]) =>
      name.startsWith(markPrefix) && typeof at === 'number' ? [{ name, at }] : [],
    );
    forgotten = marks.filter(({ at }) => at < time - forgottenMs).map(({ name }) => name);
    return marks.filter(({ at }) => at >= time - believedMs).length;
  }

  async function renew(scale: number): Promise<void> {
    const time = now();
    if (time - renewedAt < renewedMs) return;
    const isKnown = time - renewedAt < believedMs;
    try {
      const count = await atWork();
      renewedAt = time;
      use(isKnown ? partsFor(count, invocations, scale) : 1);
    } catch (error) {
      renewedAt = Number.NEGATIVE_INFINITY;
      use(1);
      failed(error as Error);
    }
  }

  async function renewing(scale: number, signal: AbortSignal): Promise<void> {
    try {
      for await (const _ of setInterval(renewedMs, undefined, { signal })) await renew(scale);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  return {
    async during(scale, post) {
      if (scale <= 1) {
        use(1);
        return post();
      }
      await renew(scale);
      const over = new AbortController();
      const underWay = renewing(scale, over.signal);
      try {
        return await post();
      } finally {
        over.abort();
        await underWay;
      }
    },
  };
}
