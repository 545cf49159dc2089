import { writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { Command, Option } from 'commander';
import { z } from 'zod';
import { Audience, described } from './audience.ts';
import { controlOf } from './control.ts';
import { describeLoad, machine, watchLoad } from './machine.ts';
import { quantile, quantiles } from './quantile.ts';
import { type RunningService, startService } from './service.ts';
import { steadyClients } from './steady-client.ts';

/**
 * The four failures of the chat team's runbook, as drills against the local environment: what each does to connections and
 * messages, and whether that is within the bounds. Exit code 1 where one is missed.
 */
const count = (text: string) => z.coerce.number().int().positive().parse(text);
const scenarioNames = ['function', 'zone', 'store', 'presence'] as const;
type ScenarioName = (typeof scenarioNames)[number];
const options = new Command('npm run bench:failover --')
  .addOption(new Option('--scenario <name>', 'what fails').choices([...scenarioNames, 'all']).default('all'))
  .option('--service <name>', 'service', 'chat-backend')
  .option('--clients <count>', 'clients', count, 300)
  .option('--room-size <count>', 'clients in a channel', count, 30)
  .option('--rate <count>', 'messages a second, to the channels in turn', count, 5)
  .option('--outage <seconds>', 'how long a store is away: 60 to 120 s in the runbook', count, 60)
  .option(
    '--quick',
    "a crashed function's messages come again after 1 s, not after the queue's visibility timeout of 6 min",
  )
  .option('--seed <number>', 'which connections are hit', count, 1)
  .option('--json <file>', 'write the figures there too')
  .parse()
  .opts<{
    scenario: ScenarioName | 'all';
    service: string;
    clients: number;
    roomSize: number;
    rate: number;
    outage: number;
    quick?: true;
    seed: number;
    json?: string;
  }>();
const { clients, seed } = options;

const steadyMs = 5_000;
/** Churn is counted for so long after the failure and its reconnects: a whole minute. */
const watchMs = 60_000;
/** Longer than six times the timeout of the fan-out, after which a queue gives a crashed function's messages out again. */
const patienceMs = options.quick ? 60_000 : 400_000;

/** What was seen of a drill, in the terms of the bounds. */
interface Observed {
  /** Connections that ended by the failure, as a share of all. */
  readonly connectionsLost: number;
  /** How many the drill did not cut itself. */
  readonly lostBesides: number;
  /** Connections that ended in the minute after the failure and its reconnects, as a share of all. */
  readonly churnAfter: number;
  readonly reconnectMs: readonly number[];
  /** From the end of the failure until everybody was back, milliseconds; infinite where somebody was not. */
  readonly allBackMs: number;
  readonly messagesLost: number;
  readonly duplicates: number;
  readonly outOfOrder: number;
  /** Of messages published during the failure, to clients that were connected all the time. */
  readonly liveLatencyMs: readonly number[];
}

interface Bound {
  readonly name: string;
  /** `team`: of the runbook that this comes from. */
  readonly source: 'team' | 'ours';
  readonly limit: string;
  readonly read: (observed: Observed) => { readonly met: boolean; readonly value: string };
}

const percent = (share: number) => `${(share * 100).toFixed(2)} %`;
const below =
  (limit: number, value: (observed: Observed) => number, written: (value: number) => string): Bound['read'] =>
  observed => ({ met: !(value(observed) >= limit), value: written(value(observed)) });
const milliseconds = (ms: number) => (Number.isNaN(ms) ? 'nobody' : `${Math.round(ms).toLocaleString('en')} ms`);
const none = (name: string, source: Bound['source'], value: (observed: Observed) => number): Bound => ({
  name,
  source,
  limit: '0',
  read: below(Number.MIN_VALUE, value, String),
});

/** Ours for all, and stricter than the team's, which asks for it after the failure of a zone. */
const nothingLost = [
  none('messages lost', 'team', ({ messagesLost }) => messagesLost),
  none('duplicates', 'ours', ({ duplicates }) => duplicates),
  none('out of order', 'ours', ({ outOfOrder }) => outOfOrder),
];
const churnAfter: Bound = {
  name: 'churn in the minute after',
  source: 'team',
  limit: '< 1 %',
  read: below(0.01, observed => observed.churnAfter, percent),
};
const nobodyElse = none('connections lost that were not cut', 'ours', ({ lostBesides }) => lostBesides);
const flowing: Bound = {
  name: 'p95 of live messages meanwhile',
  source: 'ours',
  limit: '< 5 s',
  read: below(5_000, ({ liveLatencyMs }) => quantile(liveLatencyMs, 0.95), milliseconds),
};

interface Scenario {
  readonly title: string;
  readonly bounds: readonly Bound[];
  /** Does it, and resolves when it is over. @returns how many connections it cut itself */
  readonly fail: (service: RunningService) => Promise<number>;
}

/** Messages that a crashed function held come again soon. */
async function comeSoon({ faults }: RunningService, forSeconds: number): Promise<void> {
  if (options.quick) await faults.inject({ fault: 'queue-redelivery', hiddenMs: 1_000, forSeconds });
}

/** @throws Error where fewer happened than should: a drill in which nothing fails shows nothing. */
async function crashed({ faults }: RunningService, atLeast: number): Promise<void> {
  const crashes = (await faults.list()).filter(({ fault }) => fault === 'function-crash');
  const happened = crashes.reduce((sum, crash) => sum + crash.happened, 0);
  if (happened < atLeast)
    throw new Error(`${happened} of ${atLeast} functions crashed: too little is published to call them`);
  console.log(`${happened} invocations crashed`);
}

const scenarios: Record<ScenarioName, Scenario> = {
  function: {
    title: 'one worker fails: a fan-out in the middle of a batch, and a function that handles a frame',
    bounds: [
      {
        name: 'connections lost',
        source: 'team',
        limit: '< 33 %',
        read: below(0.33, ({ connectionsLost }) => connectionsLost, percent),
      },
      nobodyElse,
      churnAfter,
      ...nothingLost,
    ],
    async fail(service) {
      const { faults } = service;
      await comeSoon(service, 10);
      await faults.inject({ fault: 'function-crash', function: 'fan-out', afterCalls: 4, times: 1, forSeconds: 20 });
      await faults.inject({ fault: 'function-crash', function: 'message', afterCalls: 1, times: 1, forSeconds: 20 });
      await sleep(10_000);
      await crashed(service, 2);
      return 0;
    },
  },
  zone: {
    title: 'a zone fails: a third of the connections is cut, and a third of what functions do for 2 s crashes',
    bounds: [
      churnAfter,
      {
        name: 'p95 from loss to reconnect',
        source: 'team',
        limit: '< 5 s',
        read: below(5_000, ({ reconnectMs }) => quantile(reconnectMs, 0.95), milliseconds),
      },
      nobodyElse,
      ...nothingLost,
    ],
    async fail(service) {
      const { faults } = service;
      await comeSoon(service, 10);
      await faults.inject({ fault: 'function-crash', afterCalls: 1, share: 1 / 3, seed, forSeconds: 2 });
      const { happened } = await faults.inject({ fault: 'socket-kill', share: 1 / 3, seed });
      await sleep(10_000);
      return happened;
    },
  },
  store: {
    title: `the database fails over: no table answers for ${options.outage} s, and a fifth of the connections is cut meanwhile`,
    bounds: [
      nobodyElse,
      {
        name: 'everybody back after the outage',
        source: 'ours',
        limit: '< 60 s',
        // Twice the client's longest wait between two attempts.
        read: below(60_000, ({ allBackMs }) => allBackMs, milliseconds),
      },
      churnAfter,
      ...nothingLost,
    ],
    async fail({ faults }) {
      await faults.inject({ fault: 'store-outage', forSeconds: options.outage });
      await sleep(options.outage * 500);
      const { happened } = await faults.inject({ fault: 'socket-kill', share: 0.2, seed });
      await sleep(options.outage * 500);
      return happened;
    },
  },
  presence: {
    title: `the presence store fails: the table of connections does not answer for ${options.outage} s, and presence is degraded as the playbook does it`,
    bounds: [flowing, nobodyElse, churnAfter, ...nothingLost],
    async fail(service) {
      const control = await controlOf(service);
      await service.faults.inject({ fault: 'store-outage', table: 'connections', forSeconds: options.outage });
      await sleep(5_000);
      await control.write({ presence: 'degraded' });
      await sleep(options.outage * 1000 - 5_000);
      await control.write({ presence: 'full' });
      return 0;
    },
  },
};

async function drill(name: ScenarioName, service: RunningService) {
  const { fail } = scenarios[name];
  const rooms = Math.ceil(clients / options.roomSize);
  const connect = steadyClients(service);
  const audience = await Audience.gather({ connect, clients, rooms, prefix: name, connectsPerSecond: 50 });
  try {
    const end = new AbortController();
    const publishing = audience.publish(options.rate, { until: end.signal });
    await sleep(steadyMs);
    const load = await watchLoad(service.pid);

    const before = audience.losses;
    const failingFrom = performance.now();
    const cut = await fail(service);
    const failedUntil = performance.now();
    while (audience.connected < clients && performance.now() - failedUntil < 120_000) await sleep(50);
    const allBackMs = audience.connected < clients ? Number.POSITIVE_INFINITY : performance.now() - failedUntil;
    const lost = audience.losses - before;

    const beforeWatching = audience.losses;
    await sleep(watchMs);
    const churn = audience.losses - beforeWatching;
    end.abort();
    await publishing;
    await audience.settled(patienceMs);

    const meanwhile = audience.deliveries.filter(
      ({ publishedAt, live }) => live && publishedAt >= failingFrom && publishedAt < failedUntil,
    );
    const observed: Observed = {
      connectionsLost: lost / clients,
      lostBesides: Math.max(0, lost - cut),
      churnAfter: churn / clients,
      reconnectMs: audience.returns.map(({ lostAt, openedAt }) => openedAt - lostAt),
      allBackMs,
      messagesLost: audience.missing,
      duplicates: audience.duplicates,
      outOfOrder: audience.outOfOrder,
      liveLatencyMs: meanwhile.map(({ latencyMs }) => latencyMs),
    };
    return { observed, audience, load: await load() };
  } finally {
    audience.close();
  }
}

const report: Record<string, unknown> = {};
console.log(`${clients} clients in channels of ${options.roomSize}, ${options.rate} messages/s; ${machine()}`);
for (const name of options.scenario === 'all' ? scenarioNames : [options.scenario]) {
  const { title, bounds } = scenarios[name];
  console.log(`\n${name}: ${title} …`);
  // One for each: what a failure leaves behind is not the next one's.
  const service = await startService(options.service);
  const { observed, audience, load } = await drill(name, service).finally(service.stop);
  const results = bounds.map(({ read, ...bound }) => ({ ...bound, ...read(observed) }));
  console.table(
    Object.fromEntries(
      results.map(({ name: bound, source, limit, met, value }) => [bound, { limit, source, value, met }]),
    ),
  );
  console.log(
    [
      `connections lost ${percent(observed.connectionsLost)}; reconnect p50 / p95 / max ${quantiles(observed.reconnectMs, [0.5, 0.95, 1])}`,
      `messages accepted ${audience.accepted}, not accepted ${audience.rejections.length}; live latency meanwhile p50 / p95 / max ${quantiles(observed.liveLatencyMs, [0.5, 0.95, 1])}`,
      `refused handshakes ${described(audience.refusals)}; closes by code ${described(audience.closes)}`,
      describeLoad(load),
    ].join('\n'),
  );
  report[name] = {
    bounds: results,
    accepted: audience.accepted,
    rejected: audience.rejections.length,
    connectionsLost: observed.connectionsLost,
    reconnectMs: { p50: quantile(observed.reconnectMs, 0.5), p95: quantile(observed.reconnectMs, 0.95) },
    liveLatencyMs: { p50: quantile(observed.liveLatencyMs, 0.5), p95: quantile(observed.liveLatencyMs, 0.95) },
    load,
  };
  if (results.some(({ met }) => !met)) process.exitCode = 1;
}
if (options.json !== undefined)
  await writeFile(options.json, `${JSON.stringify({ machine: machine(), ...report }, null, 2)}\n`);
process.exit();
