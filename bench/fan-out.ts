import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { z } from 'zod';
import { createIssuer } from '../local/tokens/issuer.ts';
import { readIssuerClaims } from '../local/tokens/server.ts';
import { Crowd } from './crowd.ts';

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

const root = join(import.meta.dirname, '..');
const endpointsSchema = z.object({ websocketUrl: z.string(), pid: z.number() });

/** CPU seconds that a process has used, from Linux's proc file system ("proc_pid_stat(5)": fields 14 and 15, in ticks of 10 ms). */
async function cpuSeconds(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

async function start(stateDirectory: string): Promise<{ child: ChildProcess; websocketUrl: string; pid: number }> {
  const args = [
    'local/main.ts',
    '--service',
    options.service,
    '--port',
    '0',
    '--http-port',
    '0',
    '--state-dir',
    stateDirectory,
  ];
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
  let printed = '';
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => {
      printed += chunk;
      if (printed.includes('Ctrl-C')) resolve();
    });
    child.once('exit', () => reject(new Error(printed)));
  });
  const endpoints = endpointsSchema.parse(JSON.parse(await readFile(join(stateDirectory, 'endpoints.json'), 'utf8')));
  return { child, ...endpoints };
}

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

const stateDirectory = await mkdtemp(join(tmpdir(), 'steadysocket-bench-'));
const { child, websocketUrl, pid } = await start(stateDirectory);
try {
  const issuer = await createIssuer(stateDirectory);
  const claims = await readIssuerClaims(stateDirectory);
  const token = (user: string) =>
    issuer.sign({ ...claims, user, channels: { read: ['*'], write: ['*'] }, expires: '2h' });
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
  child.kill('SIGINT');
  if (child.exitCode === null) await once(child, 'exit');
  await rm(stateDirectory, { recursive: true, force: true });
}
