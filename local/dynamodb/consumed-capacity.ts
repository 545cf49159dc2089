import type { MetricSink } from '../cloudwatch/metric.ts';
import { type Json, writeUnits } from './dynalite.ts';

type Index = (table: string, index: string) => boolean;

interface Consumed {
  readonly TableName: string;
  readonly CapacityUnits: number;
}

const reads: ReadonlySet<string> = new Set(['GetItem', 'BatchGetItem', 'Query', 'Scan']);
const writes: ReadonlySet<string> = new Set(['PutItem', 'UpdateItem', 'DeleteItem', 'BatchWriteItem']);

/**
 * Publishes the units that requests consume, as DynamoDB does: by table, those of reads of an index by the index. dynalite counts
 * them by the size of items, 1 KB for a unit of a write and 4 KB of a read, half a unit where a read is eventually consistent. What
 * writes to indexes consume is not told: it is no part of a table's metric on AWS either.
 */
export class ConsumedCapacity {
  readonly #sink: MetricSink | undefined;
  readonly #isGlobalIndex: Index;

  constructor(sink: MetricSink | undefined, isGlobalIndex: Index) {
    this.#sink = sink;
    this.#isGlobalIndex = isGlobalIndex;
  }

  /** The request with the question of what it consumes. */
  asked(operation: string, input: Json): Json {
    const isAsked = !['NONE', undefined].includes(input.ReturnConsumedCapacity as string | undefined);
    const consumes = reads.has(operation) || writes.has(operation);
    return this.#sink && consumes && !isAsked ? { ...input, ReturnConsumedCapacity: 'TOTAL' } : input;
  }

  /** Publishes what a reply tells; returned is what the caller asked for. */
  told(operation: string, input: Json, reply: Json): Json {
    const { ConsumedCapacity: consumed, ...rest } = reply;
    if (!this.#sink || consumed === undefined) return reply;
    for (const each of (Array.isArray(consumed) ? consumed : [consumed]) as readonly Consumed[])
      this.#put(operation, input, each);
    return this.asked(operation, input) === input ? reply : rest;
  }

  /**
   * "Working with items and attributes", conditional writes: a write whose condition fails consumes what the larger of the item
   * that is there and the one that was to be written would.
   */
  failedCondition(operation: string, input: Json, existing: Json | undefined): void {
    const CapacityUnits = Math.max(...[existing, input.Item as Json | undefined].map(writeUnits));
    this.#put(operation, input, { TableName: String(input.TableName), CapacityUnits });
  }

  #put(operation: string, input: Json, { TableName, CapacityUnits }: Consumed): void {
    const isRead = reads.has(operation);
    // "Read consistency": half a unit at least, also where nothing is found; dynalite counts a query of nothing as nothing.
    const units = isRead ? Math.max(CapacityUnits, input.ConsistentRead === true ? 1 : 0.5) : CapacityUnits;
    const index = input.IndexName;
    const ofIndex = typeof index === 'string' && this.#isGlobalIndex(TableName, index);
    const dimensions = { TableName, ...(ofIndex && { GlobalSecondaryIndexName: index }) };
    const name = isRead ? 'ConsumedReadCapacityUnits' : 'ConsumedWriteCapacityUnits';
    this.#sink?.put('AWS/DynamoDB', name, dimensions, units, 'Count');
  }
}
