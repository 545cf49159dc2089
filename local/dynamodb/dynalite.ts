import batchGetItem from 'dynalite/actions/batchGetItem.js';
import batchWriteItem from 'dynalite/actions/batchWriteItem.js';
import createTable from 'dynalite/actions/createTable.js';
import deleteItem from 'dynalite/actions/deleteItem.js';
import describeTable from 'dynalite/actions/describeTable.js';
import getItem from 'dynalite/actions/getItem.js';
import putItem from 'dynalite/actions/putItem.js';
import query from 'dynalite/actions/query.js';
import scan from 'dynalite/actions/scan.js';
import updateItem from 'dynalite/actions/updateItem.js';
import database from 'dynalite/db/index.js';
import batchGetItemRules from 'dynalite/validations/batchGetItem.js';
import batchWriteItemRules from 'dynalite/validations/batchWriteItem.js';
import createTableRules from 'dynalite/validations/createTable.js';
import deleteItemRules from 'dynalite/validations/deleteItem.js';
import describeTableRules from 'dynalite/validations/describeTable.js';
import getItemRules from 'dynalite/validations/getItem.js';
import validations from 'dynalite/validations/index.js';
import putItemRules from 'dynalite/validations/putItem.js';
import queryRules from 'dynalite/validations/query.js';
import scanRules from 'dynalite/validations/scan.js';
import updateItemRules from 'dynalite/validations/updateItem.js';
import { z } from 'zod';
import type { Place } from '../assembly/resource.ts';
import { AwsError } from '../aws/service.ts';

export type Json = Record<string, unknown>;

const operations = {
  BatchGetItem: { action: batchGetItem, rules: batchGetItemRules },
  BatchWriteItem: { action: batchWriteItem, rules: batchWriteItemRules },
  CreateTable: { action: createTable, rules: createTableRules },
  DeleteItem: { action: deleteItem, rules: deleteItemRules },
  DescribeTable: { action: describeTable, rules: describeTableRules },
  GetItem: { action: getItem, rules: getItemRules },
  PutItem: { action: putItem, rules: putItemRules },
  Query: { action: query, rules: queryRules },
  Scan: { action: scan, rules: scanRules },
  UpdateItem: { action: updateItem, rules: updateItemRules },
};

/** Units that a write of an item consumes, or of none. */
export const writeUnits = (item: Json | undefined): number => database.capacityUnits(item, false);

export type DynaliteOperation = keyof typeof operations;

const failure = z.object({
  statusCode: z.number(),
  body: z.object({ __type: z.string(), message: z.string().optional(), Message: z.string().optional() }),
});

/** dynalite's failure as AWS answers it; anything else is a fault of this program and stays as it is. */
function asAwsError(error: unknown): unknown {
  const known = failure.safeParse(error);
  if (!known.success) return error;
  const { __type, message, Message } = known.data.body;
  return new AwsError(__type.split('#').at(-1) ?? __type, message ?? Message ?? '', known.data.statusCode);
}

/**
 * dynalite reads the description of the table from the database in every operation, a quarter of the cost of a put. Once
 * ACTIVE it does not change here. DescribeTable asks with `checkStatus` and is answered from the database.
 */
function rememberTables(store: DynaliteStore): void {
  const read = store.getTable;
  const active = new Map<string, unknown>();
  store.getTable = (name, checkStatusOrCallback, callback) => {
    if (callback) return read(name, checkStatusOrCallback, callback);
    const answer = checkStatusOrCallback as TableCallback;
    if (active.has(name)) return answer(null, active.get(name));
    read(name, (error: unknown, table?: unknown) => {
      if (!error) active.set(name, table);
      answer(error, table);
    });
  };
}

/**
 * One copy of the tables: dynalite's database and operations. Its server is left out: it would be a second port, without
 * signatures or permissions.
 */
export class Dynalite {
  readonly #store: DynaliteStore;

  private constructor(store: DynaliteStore) {
    this.#store = store;
  }

  /** @param path of the LevelDB directory; without it the tables are in memory. */
  static async open(place: Place, path?: string): Promise<Dynalite> {
    const store = database.create({
      createTableMs: 0,
      deleteTableMs: 0,
      updateTableMs: 0,
      ...(path === undefined ? {} : { path }),
    });
    store.tableDb.awsAccountId = place.account;
    store.tableDb.awsRegion = place.region;
    await store.db.open();
    rememberTables(store);
    return new Dynalite(store);
  }

  /**
   * Validates and runs an operation of the API.
   * @throws AwsError as DynamoDB answers; `ValidationException` for a request member that dynalite would ignore.
   */
  async run(operation: DynaliteOperation, input: Json): Promise<Json> {
    const { types, custom } = operations[operation].rules;
    const ignored = Object.keys(input).filter(member => !Object.hasOwn(types, member) && input[member] !== null);
    if (ignored.length > 0)
      throw new AwsError('ValidationException', `The local environment does not run ${ignored} of ${operation}`);
    let checked: Json;
    try {
      checked = validations.checkTypes({ ...input }, types);
      validations.checkValidations(checked, types, custom, this.#store);
    } catch (error) {
      throw asAwsError(error);
    }
    return this.runTrusted(operation, checked);
  }

  /** Runs an operation whose input comes from a table's own items. */
  runTrusted(operation: DynaliteOperation, input: Json): Promise<Json> {
    return new Promise((resolve, reject) => {
      operations[operation].action(this.#store, input, (error, reply) => {
        if (error) reject(asAwsError(error));
        else resolve(reply);
      });
    });
  }

  close(): Promise<void> {
    return this.#store.lifecycleManager.gracefulClose();
  }
}
