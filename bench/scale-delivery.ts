import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  DescribeExecutionCommand,
  ListStateMachinesCommand,
  SFNClient,
  StartExecutionCommand,
} from '@aws-sdk/client-sfn';
import { Command } from 'commander';
import { z } from 'zod';
import { Audience } from './audience.ts';
import { quantiles } from './quantile.ts';
import { type RunningService, startService } from './service.ts';
import { steadyClients } from './steady-client.ts';

/**
 * What the playbook `scale-delivery` does for a service whose posts have become slow: delivery before and after it, to one
 * channel of many subscribers and to many channels of few. The service runs with the settings of prod, whose share of the
 * request quota is what bounds it.
 */
const count = (text: string) => z.coerce.number().int().positive().parse(text);
const options = new Command('node bench/scale-delivery.ts')
  .option('--service <name>', 'service', 'matchbook')
  .option('--to <count>', 'figure of the playbook', count, 5)
  .option('--post-ms <milliseconds>', 'how long each post takes', count, 300)
  .option('--seconds <count>', 'of each measurement', count, 20)
  .parse()
  .opts<{ service: string; to: number; postMs: number; seconds: number }>();

interface Load {
  readonly name: string;
  readonly audiences: number;
  /** Of each audience. */
  readonly clients: number;
  readonly rooms: number;
  readonly perSecond: number;
}

const loads: readonly Load[] = [
  // More posts than one invocation's part of the quota, and less than the service's.
  { name: '1 channel of 200', audiences: 1, clients: 200, rooms: 1, perSecond: 1 },
  // Each audience has one publisher, and the client library sends 15 frames a second.
  { name: '120 channels of 2', audiences: 12, clients: 20, rooms: 10, perSecond: 14 },
];

async function run(service: RunningService, playbook: string, parameters: object): Promise<unknown> {
  const client = new SFNClient({ endpoint: service.awsUrl, region: service.region, credentials: service.developer });
  const { stateMachines = [] } = await client.send(new ListStateMachinesCommand());
  const stateMachineArn = stateMachines.find(({ name }) => name?.endsWith(`-${playbook}`))?.stateMachineArn;
  const { executionArn } = await client.send(
    new StartExecutionCommand({ stateMachineArn, input: JSON.stringify({ parameters }) }),
  );
  for (;;) {
    const { status, output } = await client.send(new DescribeExecutionCommand({ executionArn }));
    if (status === 'SUCCEEDED') return JSON.parse(output ?? '{}');
    if (status !== 'RUNNING') throw new Error(`${playbook}: ${status}`);
    await sleep(100);
  }
}

async function measure(audiences: readonly Audience[], { perSecond, name }: Load, when: string) {
  const began = performance.now();
  const before = audiences.map(({ deliveries }) => deliveries.length);
  await Promise.all(
    audiences.map(audience => audience.publish(perSecond, { messages: Math.round(perSecond * options.seconds) })),
  );
  const seconds = (performance.now() - began) / 1000;
  const arrived = audiences.reduce((sum, { deliveries }, n) => sum + deliveries.length - (before[n] ?? 0), 0);
  await Promise.all(audiences.map(audience => audience.settled(30_000)));
  const latencies = audiences.flatMap(({ deliveries }, n) =>
    deliveries.slice(before[n]).map(({ latencyMs }) => latencyMs),
  );
  return {
    load: `${name}, ${perSecond * audiences.length} messages/s`,
    when,
    'posts/s': Math.round(arrived / seconds),
    'p50 / p95 / max': quantiles(latencies, [0.5, 0.95, 1]),
    'all there after': `${((performance.now() - began) / 1000 - seconds).toFixed(1)} s`,
    missing: audiences.reduce((sum, { missing }) => sum + missing, 0),
    disordered: audiences.reduce((sum, { outOfOrder }) => sum + outOfOrder, 0),
    'connections lost': audiences.reduce((sum, { losses }) => sum + losses, 0),
    rejected: audiences.reduce((sum, { rejections }) => sum + rejections.length, 0),
  };
}

const rows: object[] = [];
for (const load of loads) {
  const service = await startService(options.service, 'prod');
  try {
    const audiences: Audience[] = [];
    for (let n = 0; n < load.audiences; n += 1)
      audiences.push(
        await Audience.gather({
          connect: steadyClients(service),
          clients: load.clients,
          rooms: load.rooms,
          prefix: `load-${n}`,
          connectsPerSecond: 50,
        }),
      );
    const delay = { fault: 'post-delay', delayMs: options.postMs, share: 1 } as const;
    await service.faults.inject(delay);
    rows.push(await measure(audiences, load, 'before'));
    console.log(await run(service, 'scale-delivery', { shards: options.to }));
    // The control record is kept for 2 s by whoever has read it.
    await sleep(3_000);
    rows.push(await measure(audiences, load, 'scaled'));
    console.table(rows.slice(-2));
    for (const audience of audiences) audience.close();
  } finally {
    await service.stop();
  }
}
console.table(rows);
