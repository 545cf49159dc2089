import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { z } from 'zod';
import type { StoredMessage } from './message.ts';

/** What a queue needs to find again after a restart. */
export interface StoredQueue {
  readonly messages: readonly StoredMessage[];
  /** Last sequence number given out, or undefined for a queue that never saw a message. */
  readonly lastSequence: string | undefined;
  /** When each deduplication id may be used again, oldest first. */
  readonly deduplications: readonly { readonly key: string; readonly expiresAt: number }[];
}

const optionalText = z
  .string()
  .nullish()
  .transform(value => value ?? undefined);
const optionalNumber = z
  .number()
  .nullish()
  .transform(value => value ?? undefined);
const attributesText = z
  .string()
  .transform(text =>
    z
      .record(
        z.string(),
        z.object({ DataType: z.string(), StringValue: z.string().optional(), BinaryValue: z.string().optional() }),
      )
      .parse(JSON.parse(text)),
  );
const messageRow = z.object({
  id: z.string(),
  sequence: z.string(),
  body: z.string(),
  attributes: attributesText,
  groupId: optionalText,
  deduplicationId: optionalText,
  senderId: z.string(),
  sentAt: z.number(),
  traceHeader: optionalText,
  sourceArn: optionalText,
  visibleAt: z.number(),
  receiveCount: z.number(),
  firstReceivedAt: optionalNumber,
  lastReceivedAt: optionalNumber,
  receipt: optionalText,
});

/**
 * The queues' messages in one SQLite file, written through on every change. A process that is killed loses nothing; a
 * machine that loses power can lose the last moments (synchronous=normal), which a development tool can bear.
 */
export class MessageStore {
  readonly #database: DatabaseSync;
  readonly #statements: Record<
    'insert' | 'received' | 'visibility' | 'remove' | 'purge' | 'sequence' | 'deduplicate' | 'forget',
    StatementSync
  >;
  #depth = 0;

  /** @param directory where the file `sqs.sqlite` is, or is to be. */
  constructor(directory: string) {
    mkdirSync(directory, { recursive: true });
    const database = new DatabaseSync(join(directory, 'sqs.sqlite'));
    database.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = NORMAL;
      CREATE TABLE IF NOT EXISTS messages (
        queue TEXT NOT NULL, sequence TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, attributes TEXT NOT NULL,
        groupId TEXT, deduplicationId TEXT, senderId TEXT NOT NULL, sentAt REAL NOT NULL, traceHeader TEXT,
        sourceArn TEXT, visibleAt REAL NOT NULL, receiveCount INTEGER NOT NULL, firstReceivedAt REAL,
        lastReceivedAt REAL, receipt TEXT, PRIMARY KEY (queue, sequence)) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS sequences (queue TEXT PRIMARY KEY, last TEXT NOT NULL) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS deduplications (
        queue TEXT NOT NULL, key TEXT NOT NULL, expiresAt REAL NOT NULL, PRIMARY KEY (queue, key)) WITHOUT ROWID;
    `);
    this.#database = database;
    this.#statements = {
      insert: database.prepare(`INSERT INTO messages (queue, sequence, id, body, attributes, groupId, deduplicationId,
        senderId, sentAt, traceHeader, sourceArn, visibleAt, receiveCount, firstReceivedAt, lastReceivedAt, receipt)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`),
      received: database.prepare(`UPDATE messages SET visibleAt = ?, receiveCount = ?, firstReceivedAt = ?,
        lastReceivedAt = ?, receipt = ? WHERE queue = ? AND sequence = ?`),
      visibility: database.prepare('UPDATE messages SET visibleAt = ? WHERE queue = ? AND sequence = ?'),
      remove: database.prepare('DELETE FROM messages WHERE queue = ? AND sequence = ?'),
      purge: database.prepare('DELETE FROM messages WHERE queue = ?'),
      sequence: database.prepare('INSERT OR REPLACE INTO sequences (queue, last) VALUES (?, ?)'),
      deduplicate: database.prepare('INSERT OR REPLACE INTO deduplications (queue, key, expiresAt) VALUES (?, ?, ?)'),
      forget: database.prepare('DELETE FROM deduplications WHERE queue = ? AND expiresAt <= ?'),
    };
  }

  load(queue: string): StoredQueue {
    const messages = this.#database.prepare('SELECT * FROM messages WHERE queue = ? ORDER BY sequence').all(queue);
    const sequence = this.#database.prepare('SELECT last FROM sequences WHERE queue = ?').get(queue);
    const deduplications = this.#database
      .prepare('SELECT key, expiresAt FROM deduplications WHERE queue = ? ORDER BY expiresAt')
      .all(queue);
    return {
      messages: messages.map(row => messageRow.parse(row)),
      lastSequence: z.object({ last: z.string() }).optional().parse(sequence)?.last,
      deduplications: z.array(z.object({ key: z.string(), expiresAt: z.number() })).parse(deduplications),
    };
  }

  /** Queues with messages, so that a queue that left the template can be named at start. */
  queues(): string[] {
    const rows = this.#database.prepare('SELECT DISTINCT queue FROM messages').all();
    return z
      .array(z.object({ queue: z.string() }))
      .parse(rows)
      .map(row => row.queue);
  }

  /** Runs `change` so that all of its writes are kept or none. Calls nest. */
  atomically<T>(change: () => T): T {
    if (this.#depth > 0) return change();
    this.#database.exec('BEGIN');
    this.#depth++;
    try {
      const result = change();
      this.#database.exec('COMMIT');
      return result;
    } catch (error) {
      this.#database.exec('ROLLBACK');
      throw error;
    } finally {
      this.#depth--;
    }
  }

  insert(queue: string, message: StoredMessage): void {
    this.#statements.insert.run(
      queue,
      message.sequence,
      message.id,
      message.body,
      JSON.stringify(message.attributes),
      message.groupId ?? null,
      message.deduplicationId ?? null,
      message.senderId,
      message.sentAt,
      message.traceHeader ?? null,
      message.sourceArn ?? null,
      message.visibleAt,
      message.receiveCount,
      message.firstReceivedAt ?? null,
      message.lastReceivedAt ?? null,
      message.receipt ?? null,
    );
  }

  received(queue: string, message: StoredMessage): void {
    const { visibleAt, receiveCount, firstReceivedAt, lastReceivedAt, receipt, sequence } = message;
    this.#statements.received.run(
      visibleAt,
      receiveCount,
      firstReceivedAt ?? null,
      lastReceivedAt ?? null,
      receipt ?? null,
      queue,
      sequence,
    );
  }

  visibility(queue: string, message: StoredMessage): void {
    this.#statements.visibility.run(message.visibleAt, queue, message.sequence);
  }

  remove(queue: string, message: StoredMessage): void {
    this.#statements.remove.run(queue, message.sequence);
  }

  purge(queue: string): void {
    this.#statements.purge.run(queue);
  }

  sequence(queue: string, last: string): void {
    this.#statements.sequence.run(queue, last);
  }

  deduplicate(queue: string, key: string, expiresAt: number): void {
    this.#statements.deduplicate.run(queue, key, expiresAt);
  }

  forget(queue: string, now: number): void {
    this.#statements.forget.run(queue, now);
  }

  close(): void {
    this.#database.close();
  }
}
