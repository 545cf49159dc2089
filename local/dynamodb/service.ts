import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Place, Resource } from '../assembly/resource.ts';
import { declarationError } from '../assembly/resource-properties.ts';
import {
  type Authorization,
  type AwsCall,
  AwsError,
  type AwsReply,
  type AwsService,
  type Log,
  type Principal,
} from '../aws/service.ts';
import { type Clock, systemClock } from '../clock.ts';
import type { MetricSink } from '../cloudwatch/metric.ts';
import { interrupt } from '../faults/interrupt.ts';
import { type FaultSource, noFaults } from '../faults/points.ts';
import { ConsumedCapacity } from './consumed-capacity.ts';
import { Dynalite, type DynaliteOperation, type Json } from './dynalite.ts';
import { Replication } from './replication.ts';
import { parseBody, tablesOf, withTableNames, writtenKeys } from './requests.ts';
import { checkLayout, readTables, type TableDefinition } from './table-definition.ts';
import { startTtlSweep } from './time-to-live.ts';

export interface DynamoDbOptions {
  /** All resources of the template; those of other types are left alone. */
  readonly resources: readonly Resource[];
  readonly place: Place;
  /** Where the items are kept; created if absent. */
  readonly stateDirectory: string;
  readonly authorization: Authorization;
  readonly log: Log;
  /**
   * Longest time, in milliseconds, after which an eventually consistent read, an index or a scan shows a write.
   * 0 makes every read consistent. @default 50
   */
  readonly replicationLagMs?: number;
  /**
   * How often expired items are deleted, in milliseconds. AWS takes up to days ("Using time to live (TTL) in
   * DynamoDB"), so code that reads must filter them. @default one hour
   */
  readonly ttlSweepMs?: number;
  /** For the lag; from 0 up to 1. */
  readonly random?: () => number;
  /** For the lag and for what has expired. */
  readonly clock?: Clock;
  readonly faults?: FaultSource;
  /** Told the capacity that requests consume. */
  readonly metrics?: MetricSink;
}

export interface DynamoDb extends AwsService {
  /** Deletes what has expired by now, as DynamoDB does some time. Returns how many items. */
  sweepExpired(): Promise<number>;
  close(): Promise<void>;
}

const writeOperations = ['PutItem', 'UpdateItem', 'DeleteItem', 'BatchWriteItem'] as const;
const readOperations = ['GetItem', 'Query', 'Scan', 'BatchGetItem'] as const;
const describeOperations = ['DescribeTable', 'DescribeTimeToLive', 'ListTables'] as const;
type Operation =
  | (typeof writeOperations)[number]
  | (typeof readOperations)[number]
  | (typeof describeOperations)[number];
const operations: ReadonlySet<string> = new Set([...writeOperations, ...readOperations, ...describeOperations]);
const isOperation = (name: string): name is Operation => operations.has(name);
const isWrite = (name: Operation): name is (typeof writeOperations)[number] =>
  (writeOperations as readonly string[]).includes(name);

const hourMs = 3_600_000;

/**
 * Starts the tables of the template with the items of the last run. Not run: transactions, streams, PartiQL, backups,
 * throughput of a partition (1,000 write and 3,000 read units per second) and of a table.
 * @throws TemplateError that names stack, logical id and property where the template declares what cannot be run, or a table
 * is laid out otherwise than in the state directory.
 */
export async function startDynamoDb(options: DynamoDbOptions): Promise<DynamoDb> {
  const {
    resources,
    place,
    stateDirectory,
    log,
    replicationLagMs = 50,
    random = Math.random,
    clock = systemClock,
    faults = noFaults,
  } = options;
  const tables = new Map(readTables(resources, place).map(table => [table.name, table]));
  const path = join(stateDirectory, 'dynamodb');
  mkdirSync(path, { recursive: true });
  const primary = await Dynalite.open(place, path);
  const opened = [primary];
  try {
    for (const table of tables.values()) await createOrCheck(primary, table);
    let replica = primary;
    if (replicationLagMs > 0) {
      replica = await Dynalite.open(place);
      opened.push(replica);
      for (const table of tables.values()) await fill(replica, primary, table);
    }
    const replication = new Replication({ primary, replica, lagMs: replicationLagMs, random, log, clock, faults });
    return new DynamoDbService({ ...options, clock, faults, tables, primary, replica, replication });
  } catch (error) {
    await Promise.all(opened.map(copy => copy.close()));
    throw error;
  }
}

async function createOrCheck(primary: Dynalite, table: TableDefinition): Promise<void> {
  const description = await describe(primary, table.name);
  if (description) checkLayout(table, description);
  else await create(primary, table);
}

async function describe(copy: Dynalite, name: string): Promise<Json | undefined> {
  try {
    return (await copy.run('DescribeTable', { TableName: name })).Table as Json;
  } catch (error) {
    if (error instanceof AwsError && error.code === 'ResourceNotFoundException') return undefined;
    throw error;
  }
}

async function create(copy: Dynalite, table: TableDefinition): Promise<void> {
  await copy.run('CreateTable', table.schema).catch(error => {
    throw error instanceof AwsError ? declarationError(table.resource, error.message) : error;
  });
  // dynalite makes a table ACTIVE in a timer of its own.
  while ((await describe(copy, table.name))?.TableStatus !== 'ACTIVE') await new Promise(setImmediate);
}

async function fill(replica: Dynalite, primary: Dynalite, table: TableDefinition): Promise<void> {
  await create(replica, table);
  for await (const item of itemsOf(primary, table.name))
    await replica.runTrusted('PutItem', { TableName: table.name, Item: item });
}

/** All items of a table, page by page. */
async function* itemsOf(copy: Dynalite, table: string): AsyncGenerator<Json> {
  let start: Json = {};
  do {
    const page = await copy.runTrusted('Scan', { TableName: table, ...start });
    yield* page.Items as Json[];
    start = page.LastEvaluatedKey ? { ExclusiveStartKey: page.LastEvaluatedKey } : {};
  } while (start.ExclusiveStartKey);
}

interface Parts extends DynamoDbOptions {
  readonly clock: Clock;
  readonly faults: FaultSource;
  readonly tables: ReadonlyMap<string, TableDefinition>;
  readonly primary: Dynalite;
  readonly replica: Dynalite;
  readonly replication: Replication;
}

class DynamoDbService implements DynamoDb {
  readonly drawsFaults = true;
  readonly #place: Place;
  readonly #authorization: Authorization;
  readonly #tables: ReadonlyMap<string, TableDefinition>;
  readonly #primary: Dynalite;
  readonly #replica: Dynalite;
  readonly #replication: Replication;
  readonly #faults: FaultSource;
  readonly #capacity: ConsumedCapacity;
  readonly #sweep: { readonly now: () => Promise<number>; readonly stop: () => Promise<void> };

  constructor({
    place,
    authorization,
    tables,
    primary,
    replica,
    replication,
    log,
    clock,
    faults,
    metrics,
    ttlSweepMs = hourMs,
  }: Parts) {
    this.#place = place;
    this.#authorization = authorization;
    this.#tables = tables;
    this.#primary = primary;
    this.#replica = replica;
    this.#replication = replication;
    this.#faults = faults;
    this.#capacity = new ConsumedCapacity(metrics, (table, index) => !!tables.get(table)?.globalIndexes.has(index));
    this.#sweep = startTtlSweep({
      tables: [...tables.values()],
      itemsOf: table => itemsOf(primary, table),
      write: input => this.#write('DeleteItem', input),
      intervalMs: ttlSweepMs,
      clock,
      log,
    });
  }

  sweepExpired(): Promise<number> {
    return this.#sweep.now();
  }

  async close(): Promise<void> {
    await this.#sweep.stop();
    await this.#replication.close();
    await this.#primary.close();
    if (this.#replica !== this.#primary) await this.#replica.close();
  }

  async handle(call: AwsCall): Promise<AwsReply> {
    const target = String(call.headers['x-amz-target'] ?? '');
    const name = target.replace(/^DynamoDB_20120810\./, '');
    if (!isOperation(name))
      throw new AwsError(
        'UnknownOperationException',
        `The local environment does not run the DynamoDB action ${name}.`,
      );
    const input = withTableNames(parseBody(call.body), this.#place);
    await this.#authorize(name, input, call.principal);
    for (const table of tablesOf(input))
      if (!this.#tables.has(table))
        throw new AwsError('ResourceNotFoundException', `Requested resource not found: Table: ${table} not found`);
    const headers = { 'content-type': 'application/x-amz-json-1.0' };
    const subject = () => ({ service: 'dynamodb', operation: name, resources: tablesOf(input) });
    const fault = this.#faults.draw('request', subject);
    if (fault) await interrupt(fault);
    try {
      const reply = await this.#run(name, this.#capacity.asked(name, input));
      return { status: 200, headers, body: JSON.stringify(this.#capacity.told(name, input, reply)) };
    } catch (error) {
      if (!(error instanceof AwsError) || error.code !== 'ConditionalCheckFailedException') throw error;
      const old = await this.#existing(input);
      this.#capacity.failedCondition(name, input, old);
      if (input.ReturnValuesOnConditionCheckFailure !== 'ALL_OLD') throw error;
      const { code, message, status } = error;
      return {
        status,
        headers: { ...headers, 'x-amzn-errortype': code },
        body: JSON.stringify({
          __type: `com.amazonaws.dynamodb.v20120810#${code}`,
          message,
          ...(old && { Item: old }),
        }),
      };
    }
  }

  /**
   * The item whose condition failed, which dynalite does not tell: read right after the failure, so a write that came between the
   * two is seen already.
   */
  async #existing(input: Json): Promise<Json | undefined> {
    const [written] = writtenKeys(input, name => this.#tables.get(name)?.keyNames ?? []);
    if (!written) return undefined;
    const { Item } = await this.#primary.runTrusted('GetItem', { TableName: written.table, Key: written.key });
    return Item as Json | undefined;
  }

  /** Query and Scan of an index need permission for the index, not for the table. */
  async #authorize(operation: Operation, input: Json, principal: Principal): Promise<void> {
    const action = `dynamodb:${operation}`;
    const index = typeof input.IndexName === 'string' ? `/index/${input.IndexName}` : '';
    const tables = operation === 'ListTables' ? [] : tablesOf(input);
    const prefix = `arn:${this.#place.partition}:dynamodb:${this.#place.region}:${this.#place.account}:table/`;
    const resources = tables.length === 0 ? ['*'] : tables.map(table => `${prefix}${table}${index}`);
    const context = this.#leadingKeys(operation, input);
    for (const resource of resources)
      await this.#authorization.authorize({ principal, action, resource, ...(context && { context }) });
  }

  /**
   * "Using IAM policy conditions for fine-grained access control": the partition keys that a request names. Not of queries and
   * batches, for which no policy here has a condition.
   */
  #leadingKeys(operation: Operation, input: Json): Readonly<Record<string, readonly string[]>> | undefined {
    const item = operation === 'PutItem' ? input.Item : input.Key;
    const [partitionKey = ''] = this.#tables.get(String(input.TableName))?.keyNames ?? [];
    const attribute = (item as Readonly<Record<string, Readonly<Record<string, unknown>>>> | undefined)?.[partitionKey];
    return attribute && { 'dynamodb:LeadingKeys': Object.values(attribute).map(String) };
  }

  async #run(operation: Operation, input: Json): Promise<Json> {
    if (isWrite(operation)) return this.#write(operation, input);
    switch (operation) {
      case 'ListTables':
        return { TableNames: [...this.#tables.keys()].sort() };
      case 'DescribeTimeToLive':
        return this.#describeTimeToLive(input);
      case 'DescribeTable':
        return this.#primary.run(operation, input);
      case 'BatchGetItem':
        return this.#batchGet(input);
      case 'Scan':
        return this.#scan(input);
      default:
        return this.#copyFor(input).run(operation, input);
    }
  }

  async #write(operation: DynaliteOperation, input: Json): Promise<Json> {
    const { ReturnValuesOnConditionCheckFailure: _, ...known } = input;
    const reply = await this.#primary.run(operation, known);
    if (this.#replica !== this.#primary)
      for (const { table, key } of writtenKeys(input, name => this.#tables.get(name)?.keyNames ?? []))
        this.#replication.written(table, key);
    return reply;
  }

  #copyFor({ ConsistentRead }: Json): Dynalite {
    return ConsistentRead === true ? this.#primary : this.#replica;
  }

  /** dynalite's Scan knows no ConsistentRead, and counts half of what a consistent one consumes. */
  async #scan(input: Json): Promise<Json> {
    const { ConsistentRead, ...scan } = input;
    const table = this.#tables.get(String(input.TableName));
    if (ConsistentRead === true && table?.globalIndexes.has(String(input.IndexName)))
      throw new AwsError('ValidationException', 'Consistent reads are not supported on global secondary indexes');
    const reply = await this.#copyFor(input).run('Scan', scan);
    const consumed = reply.ConsumedCapacity as { CapacityUnits: number } | undefined;
    if (ConsistentRead !== true || !consumed) return reply;
    return { ...reply, ConsumedCapacity: { ...consumed, CapacityUnits: 2 * consumed.CapacityUnits } };
  }

  /** Each table of a batch is read consistently or not. */
  async #batchGet(input: Json): Promise<Json> {
    const entries = Object.entries((input.RequestItems ?? {}) as Record<string, Json>);
    const consistent = entries.filter(([, request]) => request?.ConsistentRead === true);
    const eventual = entries.filter(([, request]) => request?.ConsistentRead !== true);
    if (consistent.length === 0) return this.#replica.run('BatchGetItem', input);
    if (eventual.length === 0) return this.#primary.run('BatchGetItem', input);
    const [fromPrimary, fromReplica] = await Promise.all([
      this.#primary.run('BatchGetItem', { ...input, RequestItems: Object.fromEntries(consistent) }),
      this.#replica.run('BatchGetItem', { ...input, RequestItems: Object.fromEntries(eventual) }),
    ]);
    const capacity = [
      ...((fromPrimary.ConsumedCapacity as Json[]) ?? []),
      ...((fromReplica.ConsumedCapacity as Json[]) ?? []),
    ];
    return {
      Responses: { ...(fromPrimary.Responses as Json), ...(fromReplica.Responses as Json) },
      UnprocessedKeys: { ...(fromPrimary.UnprocessedKeys as Json), ...(fromReplica.UnprocessedKeys as Json) },
      ...(capacity.length === 0 ? {} : { ConsumedCapacity: capacity }),
    };
  }

  #describeTimeToLive(input: Json): Json {
    const attribute = this.#tables.get(String(input.TableName))?.ttlAttribute;
    return {
      TimeToLiveDescription:
        attribute === undefined
          ? { TimeToLiveStatus: 'DISABLED' }
          : { TimeToLiveStatus: 'ENABLED', AttributeName: attribute },
    };
  }
}
