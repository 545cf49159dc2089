import { type DynamoDBDocumentClient, GetCommand, PutCommand } from '@aws-sdk/lib-dynamodb';
import { z } from 'zod';
import type { Connections, ScannedConnection } from '../shared/connections.ts';
import { epochSeconds } from '../shared/dynamodb.ts';
import { type HeartbeatRule, isSilent } from '../shared/liveness.ts';
import type { Pace } from '../shared/pace.ts';

const holder = z.object({
  name: z.string(),
  connections: z.number(),
  /** Their heartbeats stopped. */
  silent: z.number(),
  /** More than in the report before; negative for fewer. */
  growth: z.number(),
  /** When the oldest began, epoch milliseconds. */
  oldestAt: z.number(),
});
export type Holder = z.infer<typeof holder>;

const reportSchema = z.object({
  /** Epoch milliseconds. */
  at: z.number(),
  connections: z.number(),
  silent: z.number(),
  /** Without a user. */
  anonymous: z.number(),
  /** Those that hold most, most first. */
  byUser: z.array(holder),
  byAddress: z.array(holder),
});
/** Who holds connections, and whose grow: a leak shows as one holder that grows, or as many that fell silent. */
export type LeakReport = z.infer<typeof reportSchema>;

export interface LeakDependencies {
  readonly connections: Pick<Connections, 'scan'>;
  readonly reports: LeakReports;
  readonly heartbeat: HeartbeatRule;
  /** Of read capacity units. */
  readonly reads: Pace;
  readonly now: () => number;
}

/** The report before, for the growth. */
export interface LeakReports {
  last(): Promise<LeakReport | undefined>;
  keep(report: LeakReport): Promise<void>;
}

/** Holders that are kept: 300 B each, of DynamoDB's 400 KB. */
const keptHolders = 200;
/** Holders that a report tells, of Step Functions' 256 KB. */
const toldHolders = 20;
const segments = 4;

/** Reads all connections and compares with the report before. */
export async function leakReport(d: LeakDependencies): Promise<LeakReport> {
  const now = d.now();
  const [users, addresses] = [new Holders(), new Holders()];
  let connections = 0;
  let silent = 0;
  let anonymous = 0;
  await d.connections.scan(segments, async (page, units) => {
    for (const connection of page) {
      if (connection.probe) continue;
      const isOne = isSilent(connection, d.heartbeat, now);
      connections += 1;
      silent += Number(isOne);
      if (connection.user === undefined) anonymous += 1;
      else users.add(connection.user, connection, isOne);
      addresses.add(connection.ip, connection, isOne);
    }
    await d.reads.take(units);
  });
  const before = await d.reports.last();
  const report: LeakReport = {
    at: now,
    connections,
    silent,
    anonymous,
    byUser: users.largest(before?.byUser),
    byAddress: addresses.largest(before?.byAddress),
  };
  await d.reports.keep(report);
  return {
    ...report,
    byUser: report.byUser.slice(0, toldHolders),
    byAddress: report.byAddress.slice(0, toldHolders),
  };
}

class Holders {
  readonly #byName = new Map<string, { connections: number; silent: number; oldestAt: number }>();

  add(name: string, { connectedAt }: ScannedConnection, silent: boolean): void {
    const held = this.#byName.get(name) ?? { connections: 0, silent: 0, oldestAt: connectedAt };
    held.connections += 1;
    held.silent += Number(silent);
    held.oldestAt = Math.min(held.oldestAt, connectedAt);
    this.#byName.set(name, held);
  }

  largest(before: readonly Holder[] | undefined): Holder[] {
    const earlier = new Map(before?.map(({ name, connections }) => [name, connections]));
    return [...this.#byName]
      .map(([name, held]) => ({
        name,
        ...held,
        // Without a report before nothing has grown yet; who was not among the largest of it has come up from below.
        growth: before ? held.connections - (earlier.get(name) ?? 0) : 0,
      }))
      .sort((a, b) => b.connections - a.connections || (a.name < b.name ? -1 : 1))
      .slice(0, keptHolders);
  }
}

const record = 'leaks';
const keptMs = 86_400_000;

/** @throws Error where the store cannot be reached; a report that cannot be read counts as none and is told */
export function dynamoDbLeakReports(
  client: DynamoDBDocumentClient,
  tableName: string,
  failed: (error: Error) => void,
): LeakReports {
  return {
    async last() {
      const { Item } = await client.send(new GetCommand({ TableName: tableName, Key: { record } }));
      if (!Item) return undefined;
      const report = reportSchema.safeParse(Item.report);
      if (!report.success) failed(report.error);
      return report.data;
    },
    async keep(report) {
      const Item = { record, report, expiresAt: epochSeconds(report.at + keptMs) };
      await client.send(new PutCommand({ TableName: tableName, Item }));
    },
  };
}
