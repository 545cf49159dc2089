import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { performance } from 'node:perf_hooks';
import { ApiGatewayManagementApiClient, PostToConnectionCommand } from '@aws-sdk/client-apigatewaymanagementapi';
import pMap from 'p-map';
import { signedCallback } from '../lambdas/shared/callback.ts';

/**
 * Posts a second to one gateway, by the fan-out's own callback and by the AWS SDK's client, in turn in one run. The server
 * is a process of its own that answers 200 at once. Only the ratio means anything.
 */
const posts = 5_000;
const concurrency = 100;
const rounds = 3;
const frame = JSON.stringify({ type: 'message', channel: 'bench', data: 'x'.repeat(300) });

if (process.argv[2] === 'serve') {
  const server = createServer((request, response) => {
    request.resume().on('end', () => response.writeHead(200).end());
  });
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
  process.on('disconnect', () => process.exit());
} else {
  Object.assign(process.env, {
    AWS_REGION: 'eu-central-1',
    AWS_ACCESS_KEY_ID: 'AKIABENCH',
    AWS_SECRET_ACCESS_KEY: 'bench',
  });
  const server = fork(import.meta.filename, ['serve']);
  const [port] = await once(server, 'message');
  const url = `http://127.0.0.1:${port}/dev`;
  const callback = signedCallback({ url, timeoutMs: 5_000, connections: concurrency });
  const client = new ApiGatewayManagementApiClient({ endpoint: url });
  const contestants: Record<string, (connectionId: string) => Promise<unknown>> = {
    'aws4 and undici': connectionId => callback.post(connectionId, frame),
    'AWS SDK v3': connectionId => client.send(new PostToConnectionCommand({ ConnectionId: connectionId, Data: frame })),
  };
  const measure = async (post: (connectionId: string) => Promise<unknown>) => {
    const cpu = process.cpuUsage();
    const began = performance.now();
    await pMap(
      Array.from({ length: posts }, (_, n) => `connection${n}=`),
      post,
      { concurrency },
    );
    const seconds = (performance.now() - began) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    return { perSecond: posts / seconds, cpuMicroseconds: (user + system) / posts };
  };
  for (const post of Object.values(contestants)) await measure(post);
  const results: Record<string, { 'posts/s': number; 'CPU µs/post': number }[]> = {};
  for (let round = 0; round < rounds; round += 1) {
    for (const [name, post] of Object.entries(contestants)) {
      const { perSecond, cpuMicroseconds } = await measure(post);
      results[name] = [
        ...(results[name] ?? []),
        { 'posts/s': Math.round(perSecond), 'CPU µs/post': Math.round(cpuMicroseconds) },
      ];
    }
  }
  for (const [name, runs] of Object.entries(results)) {
    console.log(name);
    console.table(runs);
  }
  const median = (name: string, field: 'posts/s' | 'CPU µs/post') =>
    (results[name] ?? []).map(run => run[field]).sort((a, b) => a - b)[Math.floor(rounds / 2)] ?? Number.NaN;
  const [ours, theirs] = Object.keys(contestants) as [string, string];
  console.log(`posts/s, ${ours} to ${theirs}: ${(median(ours, 'posts/s') / median(theirs, 'posts/s')).toFixed(1)}`);
  console.log(`CPU, ${theirs} to ${ours}: ${(median(theirs, 'CPU µs/post') / median(ours, 'CPU µs/post')).toFixed(1)}`);
  server.disconnect();
  process.exit();
}
