import { writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { z } from 'zod';
import { Audience } from './audience.ts';
import type { Connect } from './contestant.ts';
import { type Load, machine, watchLoad } from './machine.ts';
import { type Outage, planOutages } from './outages.ts';
import { quantile, quantiles } from './quantile.ts';
import { startService } from './service.ts';
import { socketIoClients } from './socket-io-client.ts';
import { startSocketIo } from './socket-io-server.ts';
import { steadyClients } from './steady-client.ts';

/**
 * What comes through when every client loses its network again and again: this service in the local environment, and
 * Socket.IO with connection state recovery, under the same outages one after the other. The figures are of this machine,
 * where clients, gateway, functions and stores share the cores; they say nothing of AWS.
 */
const count = (text: string) => z.coerce.number().int().positive().parse(text);
const positive = (text: string) => z.coerce.number().positive().parse(text);
const options = new Command('npm run bench:reconnect --')
  .option('--service <name>', 'service', 'chat-backend')
  .option('--clients <count>', 'subscribers of one channel', count, 500)
  .option('--messages <count>', 'messages to publish', count, 120)
  .option('--rate <count>', 'messages a second', positive, 2)
  .option('--every <seconds>', 'a client loses its network about so often', positive, 15)
  .option('--offline <seconds>', 'and has none for about so long', positive, 2)
  .option('--seed <number>', 'the same one gives the same outages', count, 1)
  .option('--only <contestant>', 'a part of its name')
  .option('--json <file>', 'write the figures there too')
  .parse()
  .opts<{
    service: string;
    clients: number;
    messages: number;
    rate: number;
    every: number;
    offline: number;
    seed: number;
    only?: string;
    json?: string;
  }>();

/** Outages begin so long before the first message: about a fifth of the clients are hit before they have received any. */
const headStartMs = 3_000;
/** Nothing has come for so long: nothing will. Longer than the client library's longest wait before a reconnect. */
const patienceMs = 35_000;

interface Running {
  readonly connect: Connect;
  readonly pid: number;
  stop(): Promise<void>;
}

const socketIo = async (greeting: boolean): Promise<Running> => {
  const { url, pid, stop } = await startSocketIo(greeting);
  return { connect: socketIoClients(url), pid, stop };
};
const contestants: Record<string, () => Promise<Running>> = {
  Steadysocket: async () => {
    const service = await startService(options.service);
    return { connect: steadyClients(service), pid: service.pid, stop: service.stop };
  },
  'Socket.IO': () => socketIo(false),
  'Socket.IO, greeting': () => socketIo(true),
};

async function suffer(audience: Audience, outages: readonly Outage[][], untilMs: number): Promise<void> {
  const began = performance.now();
  const at = (ms: number) => sleep(Math.max(0, began + ms - performance.now()));
  await Promise.all(
    audience.members.map(async (member, n) => {
      for (const { atMs, forMs } of outages[n] as Outage[]) {
        await at(atMs);
        member.link.cut();
        await at(Math.min(atMs + forMs, untilMs));
        member.link.restore();
        member.restoredAt = performance.now();
      }
    }),
  );
}

function figures(audience: Audience, outages: readonly Outage[][], load: Load) {
  const { members, returns, rooms } = audience;
  const expected = rooms[0]?.accepted.length ?? 0;
  const shares = members.map(({ missing }) => (expected - missing) / expected);
  const hitBeforeFirst = members.filter((_, n) => (outages[n]?.[0]?.atMs ?? Number.POSITIVE_INFINITY) < headStartMs);
  const caughtUp = returns.filter(({ caughtUpAt }) => caughtUpAt !== undefined);
  return {
    accepted: expected,
    rejected: audience.rejections.length,
    delivered: shares.reduce((sum, share) => sum + share, 0) / members.length,
    worstClient: Math.min(...shares),
    completeClients: shares.filter(share => share === 1).length,
    lost: audience.missing,
    toldOfLoss: audience.toldOfLoss,
    duplicates: audience.duplicates,
    outOfOrder: audience.outOfOrder,
    outages: outages.flat().length,
    reconnects: returns.length,
    hitBeforeFirst: hitBeforeFirst.length,
    hitBeforeFirstComplete: hitBeforeFirst.filter(({ missing }) => missing === 0).length,
    reconnectsThatMissed: returns.filter(({ missed }) => missed > 0).length,
    reconnectsThatCaughtUp: caughtUp.length,
    catchUpMs: caughtUp.map(({ openedAt, caughtUpAt }) => (caughtUpAt as number) - openedAt),
    reconnectMs: returns.map(({ possibleAt, openedAt }) => openedAt - possibleAt),
    backWithAllMs: caughtUp.map(({ possibleAt, caughtUpAt }) => (caughtUpAt as number) - possibleAt),
    liveLatencyMs: audience.deliveries.filter(({ live }) => live).map(({ latencyMs }) => latencyMs),
    load,
  };
}
type Figures = ReturnType<typeof figures>;

async function measure(start: () => Promise<Running>): Promise<Figures> {
  const { clients, messages, rate, every, offline, seed } = options;
  const untilMs = headStartMs + (messages * 1000) / rate;
  const outages = planOutages(clients, { seed, untilMs, everyMs: every * 1000, forMs: offline * 1000 });
  const { connect, pid, stop } = await start();
  try {
    const audience = await Audience.gather({ connect, clients, rooms: 1, connectsPerSecond: 100 });
    console.log('  all are connected; their networks fail …');
    const load = await watchLoad(pid);
    await Promise.all([
      suffer(audience, outages, untilMs),
      sleep(headStartMs).then(() => audience.publish(rate, { messages })),
    ]);
    const duringRun = await load();
    await audience.settled(patienceMs);
    audience.close();
    return figures(audience, outages, duringRun);
  } finally {
    await stop();
  }
}

const percent = (share: number) => `${(Math.floor(share * 10_000) / 100).toFixed(2)} %`;
const row = (f: Figures) => ({
  delivered: percent(f.delivered),
  'worst client': percent(f.worstClient),
  'complete clients': `${f.completeClients} of ${options.clients}`,
  'hit before the first message, complete': `${f.hitBeforeFirstComplete} of ${f.hitBeforeFirst}`,
  'messages lost': f.lost,
  duplicates: f.duplicates,
  'out of order': f.outOfOrder,
  'publications not accepted': f.rejected,
  'outages / reconnects': `${f.outages} / ${f.reconnects}`,
  'caught up, of reconnects that missed some': `${f.reconnectsThatCaughtUp} of ${f.reconnectsThatMissed}`,
  'catch-up p50 / p95 / p99 / max': quantiles(f.catchUpMs, [0.5, 0.95, 0.99, 1]),
  'network back to open p50 / p95 / p99': quantiles(f.reconnectMs, [0.5, 0.95, 0.99]),
  'network back to caught up p50 / p95 / p99': quantiles(f.backWithAllMs, [0.5, 0.95, 0.99]),
  'live latency p50 / p95 / p99': quantiles(f.liveLatencyMs, [0.5, 0.95, 0.99]),
  'CPU cores: service, clients, others': [f.load.service, f.load.clients, f.load.others]
    .map(n => n.toFixed(2))
    .join(', '),
});

/** A column for each, since there are more figures than a terminal is wide. */
function table(results: Readonly<Record<string, Figures>>): Record<string, Record<string, unknown>> {
  const lines: Record<string, Record<string, unknown>> = {};
  for (const [name, result] of Object.entries(results))
    for (const [figure, value] of Object.entries(row(result))) lines[figure] = { ...lines[figure], [name]: value };
  return lines;
}

function summary({ catchUpMs, reconnectMs, backWithAllMs, liveLatencyMs, ...f }: Figures) {
  const at = (values: readonly number[]) =>
    Object.fromEntries([0.5, 0.95, 0.99, 1].map(share => [`p${share * 100}`, Math.round(quantile(values, share))]));
  return {
    ...f,
    catchUpMs: at(catchUpMs),
    reconnectMs: at(reconnectMs),
    backWithAllMs: at(backWithAllMs),
    liveLatencyMs: at(liveLatencyMs),
  };
}

const { clients, messages, rate, every, offline, seed, only = '', json } = options;
console.log(
  `${clients} clients, ${messages} messages at ${rate}/s; each client's network cut about every ${every} s for about ${offline} s (uniform, seed ${seed}); ${machine()}`,
);
const results: Record<string, Figures> = {};
for (const [name, start] of Object.entries(contestants)) {
  if (!name.toLowerCase().includes(only.toLowerCase())) continue;
  console.log(`${name} …`);
  results[name] = await measure(start);
}
console.table(table(results));
if (json !== undefined) {
  const { only: _, json: __, ...settings } = options;
  const summaries = Object.fromEntries(Object.entries(results).map(([name, result]) => [name, summary(result)]));
  await writeFile(json, `${JSON.stringify({ machine: machine(), settings, results: summaries }, null, 2)}\n`);
}
for (const [name, { outages, reconnects }] of Object.entries(results)) {
  if (reconnects >= 0.9 * outages) continue;
  console.log(
    `${name}: ${reconnects} reconnects for ${outages} outages: most found nobody connected, so this was another test. Try fewer clients, or when the machine is quiet.`,
  );
  process.exitCode = 1;
}
const ours = results.Steadysocket;
if (ours && (ours.lost > 0 || ours.duplicates > 0 || ours.outOfOrder > 0)) process.exitCode = 1;
// Timers of clients that were closed while they reconnected are not worth waiting for.
process.exit();
