import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { z } from 'zod';
import { Crowd } from './crowd.ts';
import { cpuSeconds } from './machine.ts';
import { startService } from './service.ts';

/**
 * How long a message takes from its publication to each of many subscribers of one channel, in the local environment, and
 * with `--saturate` at which rate it no longer keeps up. The figures are of this machine, where clients, gateway, functions
 * and stores share the cores; they say nothing of AWS.
 */
const count = (text: string) => z.coerce.number().int().positive().parse(text);
const options = new Command('npm run bench:fan-out --')
  .option('--service <name>', 'service', 'matchbook')
  .option('--clients <count>', 'subscribers of the channel', count, 1_000)
  .option('--messages <count>', 'messages to publish', count, 100)
  .option('--rate <count>', 'messages a second', count, 1)
  .option('--saturate', 'double the rate until deliveries fall behind')
  .parse()
  .opts<{ service: string; clients: number; messages: number; rate: number; saturate?: true }>();

const percentile = (sorted: Float64Array, share: number): string =>
  `${(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN).toFixed(0)} ms`;

interface Run {
  readonly rate: number;
  readonly messages: number;
}

/** Publishes at a steady rate and waits for every delivery, or until none has come for 15 s. */
async function measure(crowd: Crowd, { rate, messages }: Run, pid: number) {
  crowd.reset();
  const before = await cpuSeconds(pid);
  const began = performance.now();
  for (let n = 0; n < messages; n += 1) {
    await sleep(Math.max(0, began + (n * 1000) / rate - performance.now()));
    crowd.publish(n);
  }
  const published = performance.now();
  await crowd.settled(messages, 15_000);
  const { latencies, complete, disordered } = crowd.result(messages);
  const seconds = (performance.now() - began) / 1000;
  return {
    'messages/s published': rate,
    'deliveries/s': Math.round(latencies.length / seconds),
    complete: `${complete} of ${crowd.size}`,
    disordered,
    p50: percentile(latencies, 0.5),
    p95: percentile(latencies, 0.95),
    'p99.9': percentile(latencies, 0.999),
    'done after publishing': `${((performance.now() - published) / 1000).toFixed(1)} s`,
    'server CPU': `${(((await cpuSeconds(pid)) - before) / seconds).toFixed(2)} cores`,
    'client CPU': `${crowd.cpuCores(seconds).toFixed(2)} cores`,
  };
}

const { websocketUrl, pid, token, stop } = await startService(options.service);
try {
  const began = performance.now();
  const crowd = await Crowd.connect({ url: websocketUrl, clients: options.clients, token });
  console.log(
    `${options.clients} clients connected and subscribed in ${((performance.now() - began) / 1000).toFixed(1)} s`,
  );
  // The functions start, and what is compiled when it is hot is.
  await measure(crowd, { rate: 2, messages: 10 }, pid);
  const rows = [await measure(crowd, options, pid)];
  console.table(rows);
  if (options.saturate) {
    for (let rate = options.rate * 2; ; rate *= 2) {
      const row = await measure(crowd, { rate, messages: rate * 10 }, pid);
      rows.push(row);
      console.table([row]);
      if (row['deliveries/s'] < 0.8 * rate * options.clients) break;
    }
    console.table(rows);
  }
  await crowd.close();
} finally {
  await stop();
}
