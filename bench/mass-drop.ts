import { writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { z } from 'zod';
import { accountLimits } from '../local/apigateway/quotas.ts';
import { Audience, described } from './audience.ts';
import { describeLoad, machine, watchLoad } from './machine.ts';
import { quantile, quantiles } from './quantile.ts';
import { startService } from './service.ts';
import { steadyClients } from './steady-client.ts';

/**
 * All clients lose their connection at the same moment while messages are published: how long until they are back under the
 * gateway's quota of new connections, whether anything is lost, and whether anybody who lives is evicted afterwards. How
 * many clients it can be is a matter of this machine, where all of them share the cores with the service.
 */
const count = (text: string) => z.coerce.number().int().positive().parse(text);
const options = new Command('npm run bench:mass-drop --')
  .option('--service <name>', 'service', 'chat-backend')
  .option('--clients <count>', 'clients that lose their connection', count, 2_000)
  .option('--room-size <count>', 'clients in a channel', count, 50)
  .option('--rate <count>', 'messages a second, to the channels in turn', count, 5)
  .option('--connect-rate <count>', 'connections a second at the beginning', count, 50)
  .option('--patience <seconds>', 'how long to wait for everybody', count, 300)
  .option(
    '--watch <seconds>',
    'how long to watch for evictions afterwards: longer than a silent client is let live',
    count,
    100,
  )
  .option('--json <file>', 'write the figures there too')
  .parse()
  .opts<{
    service: string;
    clients: number;
    roomSize: number;
    rate: number;
    connectRate: number;
    patience: number;
    watch: number;
    json?: string;
  }>();

const { clients, roomSize, rate, patience } = options;
const service = await startService(options.service);
try {
  console.log(`${clients} clients in channels of ${roomSize}, ${rate} messages/s; ${machine()}`);
  const connecting = performance.now();
  const audience = await Audience.gather({
    connect: steadyClients(service),
    clients,
    rooms: Math.ceil(clients / roomSize),
    connectsPerSecond: options.connectRate,
  });
  console.log(`connected and subscribed in ${((performance.now() - connecting) / 1000).toFixed(1)} s`);
  const end = new AbortController();
  const publishing = audience.publish(rate, { until: end.signal });
  await sleep(5_000);

  const lostBefore = audience.losses;
  const load = await watchLoad(service.pid);
  const droppedAt = performance.now();
  await service.faults.inject({ fault: 'socket-kill' });
  const seconds = () => (performance.now() - droppedAt) / 1000;
  while (audience.losses - lostBefore < clients && seconds() < 30) await sleep(10);
  const dropped = audience.losses - lostBefore;
  let told = 0;
  while (audience.connected < clients && seconds() < patience) {
    await sleep(100);
    if (seconds() < told + 10) continue;
    told = seconds();
    console.log(`${told.toFixed(0)} s: ${audience.connected} are back; refused: ${described(audience.refusals)}`);
  }
  const duringReturn = await load();
  const firstReturns = audience.members.flatMap(({ returns: [first] }) => (first ? [first] : []));

  // Whoever lives is heard of by now, and who were taken for dead would be closed.
  const lossesBefore = audience.losses;
  const closesBefore = new Map(audience.closes);
  await sleep(options.watch * 1000);
  const lossesWatching = audience.losses - lossesBefore;
  const closesWatching = new Map(
    [...audience.closes]
      .map(([code, n]) => [code, n - (closesBefore.get(code) ?? 0)] as const)
      .filter(([, n]) => n > 0),
  );
  end.abort();
  await publishing;
  await audience.settled(35_000);
  audience.close();

  const backMs = firstReturns.map(({ openedAt }) => openedAt - droppedAt);
  const caughtUpMs = firstReturns.map(({ openedAt, caughtUpAt }) => (caughtUpAt ?? openedAt) - droppedAt);
  // Those who never came back count as late as can be.
  const whole = (values: readonly number[]) =>
    values.concat(Array.from({ length: clients - values.length }, () => Number.POSITIVE_INFINITY));
  const quotaSeconds = clients / accountLimits.newConnectionsPerSecond;
  const result = {
    clients,
    dropped,
    back: audience.connected,
    quotaAloneSeconds: quotaSeconds,
    backSeconds: Object.fromEntries(
      [0.5, 0.95, 1].map(share => [`${share * 100} %`, quantile(whole(backMs), share) / 1000]),
    ),
    caughtUpSeconds: Object.fromEntries(
      [0.5, 0.95, 1].map(share => [`${share * 100} %`, quantile(whole(caughtUpMs), share) / 1000]),
    ),
    refusals: Object.fromEntries(audience.refusals),
    accepted: audience.accepted,
    rejected: audience.rejections.length,
    lost: audience.missing,
    toldOfLoss: audience.toldOfLoss,
    duplicates: audience.duplicates,
    outOfOrder: audience.outOfOrder,
    lossesWatching,
    closesWatching: Object.fromEntries(closesWatching),
    load: duringReturn,
  };
  console.table({
    'lost their connection': `${dropped} of ${clients}`,
    'back after 50 / 95 / 100 %': quantiles(whole(backMs), [0.5, 0.95, 1]),
    'back and caught up after': quantiles(whole(caughtUpMs), [0.5, 0.95, 1]),
    'the quota alone': `${(quotaSeconds * 1000).toLocaleString('en')} ms`,
    'refused handshakes': described(audience.refusals),
    'messages accepted / lost / told of': `${result.accepted} / ${result.lost} / ${result.toldOfLoss}`,
    'duplicates / out of order': `${result.duplicates} / ${result.outOfOrder}`,
    [`closed while watched for ${options.watch} s`]: `${lossesWatching} (${described(closesWatching)})`,
    'while they returned': describeLoad(duringReturn),
  });
  if (options.json !== undefined)
    await writeFile(options.json, `${JSON.stringify({ machine: machine(), ...result }, null, 2)}\n`);
  const flawless = result.lost + result.duplicates + result.outOfOrder + lossesWatching === 0;
  if (!flawless || result.back < clients) process.exitCode = 1;
} finally {
  await service.stop();
}
process.exit();
