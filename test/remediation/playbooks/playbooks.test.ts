import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GetAliasCommand, PublishVersionCommand } from '@aws-sdk/client-lambda';
import { StopExecutionCommand } from '@aws-sdk/client-sfn';
import { GetCommand, PutCommand } from '@aws-sdk/lib-dynamodb';
import type { FaultSpec } from '../../../local/faults/catalogue.ts';
import { createIssuer } from '../../../local/tokens/issuer.ts';
import { TestClient } from '../../end-to-end/client.ts';
import { type LocalPlaybooks, startPlaybooks } from './local-playbooks.ts';

jest.setTimeout(60_000);

let local: LocalPlaybooks;
// Five minutes of a playbook's waits are half a second.
beforeAll(async () => {
  local = await startPlaybooks(600);
}, 180_000);
afterAll(() => local.end());
afterEach(async () => {
  local.faults.clear();
  await local.control.write({
    throttleMs: null,
    presence: 'full',
    flush: null,
    drain: null,
    admission: 'open',
    shards: null,
    postParallelism: null,
  });
});

const during = async (spec: FaultSpec, run: () => Promise<void>): Promise<void> => {
  const { id } = local.faults.inject(spec);
  await run();
  local.faults.clear(id);
};

describe('a change of the control record', () => {
  test('is written, told, and given back', async () => {
    const ran = await local.run('throttle-publishers', { parameters: { intervalMs: 100 } });
    expect(ran).toMatchObject({
      status: 'SUCCEEDED',
      output: {
        playbook: 'throttle-publishers',
        changed: true,
        summary: 'one message in 100 ms for each publisher and channel',
        change: { owner: ran.arn },
      },
    });
    expect(await local.record()).toMatchObject({ throttleMs: 100 });
    const undone = await local.run('throttle-publishers', { undo: ran.output.change });
    expect(undone.output).toMatchObject({ changed: true });
    expect((await local.record()).throttleMs ?? null).toBeNull();
    expect((await local.run('throttle-publishers', { undo: ran.output.change })).output).toMatchObject({
      changed: false,
    });
  });

  test('gives back what a person had set before', async () => {
    await local.control.write({ throttleMs: 50 });
    const { output } = await local.run('throttle-publishers', { parameters: { intervalMs: 100 } });
    await local.run('throttle-publishers', { undo: output.change });
    expect(await local.record()).toMatchObject({ throttleMs: 50 });
  });

  test('leaves what somebody has changed since', async () => {
    const { output } = await local.run('throttle-publishers', { parameters: { intervalMs: 100 } });
    await local.control.write({ throttleMs: 70 });
    expect((await local.run('throttle-publishers', { undo: output.change })).output).toMatchObject({
      changed: false,
      summary: expect.stringContaining('changed by somebody since'),
    });
    expect(await local.record()).toMatchObject({ throttleMs: 70 });
    // What the person set is what the next one gives back.
    const next = await local.run('throttle-publishers', { parameters: { intervalMs: 200 } });
    await local.run('throttle-publishers', { undo: next.output.change });
    expect(await local.record()).toMatchObject({ throttleMs: 70 });
  });

  test('is taken over by a stronger one, and ends with that', async () => {
    const first = await local.run('throttle-publishers', { parameters: { intervalMs: 100 } });
    const weaker = await local.run('throttle-publishers', { parameters: { intervalMs: 100 } });
    expect(weaker.output).toMatchObject({ changed: false });
    expect(weaker.output.change).toBeUndefined();
    const stronger = await local.run('throttle-publishers', { parameters: { intervalMs: 500 } });
    expect((await local.run('throttle-publishers', { undo: first.output.change })).output.changed).toBe(false);
    expect(await local.record()).toMatchObject({ throttleMs: 500 });
    expect((await local.run('throttle-publishers', { undo: stronger.output.change })).output.changed).toBe(true);
    expect((await local.record()).throttleMs ?? null).toBeNull();
  });

  test('that was cut off before it told what it did is given back by the next one for the same incident', async () => {
    const run = (incident: string) => local.run('throttle-publishers', { incident, parameters: { intervalMs: 100 } });
    await run('one');
    expect((await run('another')).output.changed).toBe(false);
    const again = await run('one');
    expect(again.output).toMatchObject({ changed: true, change: { owner: again.arn } });
    expect((await local.run('throttle-publishers', { undo: again.output.change })).output.changed).toBe(true);
    const record = await local.record();
    expect(record.throttleMs ?? null).toBeNull();
    expect(record).not.toHaveProperty('throttleMsIncident');
  });

  test('is only told in a dry run', async () => {
    const before = await local.record();
    for (const [playbook, parameters] of [
      ['throttle-publishers', { intervalMs: 100 }],
      ['scale-delivery', { shards: 5 }],
      ['degrade-presence', {}],
      ['flush-backlog', {}],
      ['restart-functions', {}],
      ['drain', {}],
    ] as const)
      expect((await local.run(playbook, { parameters, dryRun: true })).output).toMatchObject({
        changed: false,
        summary: expect.stringMatching(/^dry run: /),
      });
    expect(await local.record()).toEqual(before);
  });

  test('fails in words where the store is down, or the figure is none', async () => {
    await during({ fault: 'store-outage' }, async () => {
      const ran = await local.run('throttle-publishers', { parameters: { intervalMs: 100 } });
      expect(ran).toMatchObject({ status: 'FAILED', cause: expect.stringMatching(/^throttle-publishers: .*error/s) });
    });
    for (const intervalMs of [5, 'many', undefined])
      expect(await local.run('throttle-publishers', { parameters: { intervalMs } })).toMatchObject({
        status: 'FAILED',
        cause: 'throttle-publishers: intervalMs must be a number from 10 to 60000',
      });
    expect((await local.record()).throttleMs ?? null).toBeNull();
  });

  test('degrades presence', async () => {
    const { output } = await local.run('degrade-presence', {});
    expect(await local.record()).toMatchObject({ presence: 'degraded' });
    expect((await local.run('degrade-presence', {})).output.changed).toBe(false);
    await local.run('degrade-presence', { undo: output.change });
    expect(await local.record()).toMatchObject({ presence: 'full' });
  });

  test('raises the generation, which nothing lowers', async () => {
    const before = Number((await local.record()).generation ?? 0);
    const { output } = await local.run('restart-functions', {});
    expect(output).toMatchObject({ changed: true });
    expect(output.change).toBeUndefined();
    expect(await local.record()).toMatchObject({ generation: before + 1 });
    expect((await local.run('restart-functions', { undo: {} })).output).toMatchObject({ changed: false });
  });

  test('flushes what was published until the functions’ now', async () => {
    const before = Date.now();
    const { output } = await local.run('flush-backlog', {});
    const { until } = (await local.record()).flush as { until: number };
    expect(until).toBeGreaterThanOrEqual(before);
    expect(until).toBeLessThanOrEqual(Date.now());
    await local.run('flush-backlog', { undo: output.change });
    expect((await local.record()).flush ?? null).toBeNull();
    await during({ fault: 'function-error', function: 'clock' }, async () => {
      expect(await local.run('flush-backlog', {})).toMatchObject({ status: 'FAILED' });
    });
  });
});

describe('scale-delivery', () => {
  test('goes up at once, and down half at a time', async () => {
    const up = await local.run('scale-delivery', { parameters: { shards: 5 } });
    expect(up.output).toMatchObject({ changed: true });
    const raised = await local.record();
    const { shards } = raised as { shards: number };
    // All that was asked for, though the setting `Fan-out concurrency` is 3.
    expect(shards).toBe(5);
    expect(up.output.summary).toMatch(/up to 250 posts at once, from 5 batches/);
    const down = await local.start('scale-delivery', { undo: up.output.change });
    const seen = new Set<unknown>();
    let status: string | undefined;
    void local.ended(down).then(ran => {
      status = ran.status;
    });
    while (status === undefined) seen.add((await local.record()).shards ?? null);
    expect(status).toBe('SUCCEEDED');
    expect([...seen].slice(0, 2)).toEqual([shards, Math.floor(shards / 2)]);
    const after = await local.record();
    expect([after.shards ?? null, after.postParallelism ?? null]).toEqual([null, null]);
    expect(Number(raised.postParallelism)).toBeGreaterThan(0);
  });

  test('gives back nothing that is another’s', async () => {
    const up = await local.run('scale-delivery', { parameters: { shards: 4 } });
    await local.control.write({ shards: 9 });
    expect((await local.run('scale-delivery', { undo: up.output.change })).output.changed).toBe(false);
    expect(await local.record()).toMatchObject({ shards: 9 });
  });
});

describe('connections', () => {
  const connect = async () => {
    const { issuer: iss, audience } = JSON.parse(
      await readFile(join(local.stateDirectory, 'tokens', 'issuer.json'), 'utf8'),
    );
    const token = await (await createIssuer(local.stateDirectory)).sign({
      user: 'alice',
      channels: { read: ['*'], write: ['*'] },
      expires: '1h',
      issuer: iss,
      audience,
    });
    return TestClient.connect(local.endpoints.websocketUrl, token);
  };

  test('are told, all of them', async () => {
    const client = await connect();
    const dry = await local.run('notify-clients', { parameters: { notice: 'refresh' }, dryRun: true });
    expect(dry.output).toMatchObject({ changed: false, summary: expect.stringMatching(/^dry run: .* refresh/) });
    const ran = await local.run('notify-clients', { parameters: { notice: 'we are late' } });
    expect(ran.output).toMatchObject({
      changed: true,
      summary: expect.stringMatching(/^told 1 clients .*we are late/),
    });
    expect(await client.frame({ type: 'notice', notice: 'system' })).toMatchObject({ message: 'we are late' });
    await local.run('notify-clients', { parameters: { notice: 'reconnect' } });
    expect(await client.frame({ type: 'notice', notice: 'reconnect' })).toBeDefined();
    expect(await local.run('notify-clients', { parameters: {} })).toMatchObject({ status: 'FAILED' });
    await during({ fault: 'function-error', function: 'sweep' }, async () => {
      const failed = await local.run('notify-clients', { parameters: { notice: 'refresh' } });
      expect(failed).toMatchObject({ status: 'FAILED', cause: expect.stringMatching(/^notify-clients: /) });
    });
    await client.close();
  });

  test('are drained on the timeline, and admitted again', async () => {
    const client = await connect();
    const closed = client.closed();
    const ran = await local.run('drain', {});
    expect(ran.output).toMatchObject({ changed: true, summary: expect.stringMatching(/1 that stayed were closed/) });
    expect(await client.frame({ type: 'notice', notice: 'server_shutdown' })).toBeDefined();
    expect(await closed).toMatchObject({ code: 1000 });
    const record = await local.record();
    expect(record).toMatchObject({ admission: 'open' });
    expect(record.drain ?? null).toBeNull();
    expect((await local.run('drain', { undo: { owner: ran.arn } })).output.changed).toBe(false);
  });

  test('are admitted again where the drain fails, or is stopped and undone', async () => {
    await during({ fault: 'function-error', function: 'sweep' }, async () => {
      expect(await local.run('drain', {})).toMatchObject({
        status: 'FAILED',
        cause: expect.stringMatching(/^drain: /),
      });
    });
    expect(await local.record()).toMatchObject({ admission: 'open' });
    expect((await local.record()).drain ?? null).toBeNull();
    await during({ fault: 'function-latency', function: 'sweep', delayMs: 5_000 }, async () => {
      const executionArn = await local.start('drain', {});
      while ((await local.record()).admission !== 'closed') await new Promise(resolve => setTimeout(resolve, 5));
      // One at a time.
      expect((await local.run('drain', {})).output).toMatchObject({ changed: false });
      await local.states.send(new StopExecutionCommand({ executionArn }));
      expect((await local.run('drain', { undo: { owner: executionArn } })).output.changed).toBe(true);
    });
    expect(await local.record()).toMatchObject({ admission: 'open' });
  });

  test('are admitted again by the next drain for the same incident, where one was cut off', async () => {
    const executionArn = await local.start('drain', { incident: 'one' });
    while ((await local.record()).admission !== 'closed') await new Promise(resolve => setTimeout(resolve, 5));
    await local.states.send(new StopExecutionCommand({ executionArn }));
    expect((await local.run('drain', { incident: 'another' })).output.changed).toBe(false);
    expect(await local.record()).toMatchObject({ admission: 'closed' });
    expect((await local.run('drain', { incident: 'one' })).output.changed).toBe(true);
    const record = await local.record();
    expect(record).toMatchObject({ admission: 'open' });
    expect(record.drain ?? null).toBeNull();
  });

  test('that fell silent are reported and closed, once a census has seen that silence is death', async () => {
    const item = {
      connectionId: 'c2lsZW50MTIzNDU=',
      user: 'bob',
      ip: '192.0.2.1',
      connectedAt: Date.now() - 3_600_000,
      lastSeenAt: Date.now() - 3_000_000,
      channels: {},
    };
    const TableName = local.table('Connections');
    const stays = async () =>
      (
        await local.documents.send(
          new GetCommand({ TableName, Key: { connectionId: item.connectionId }, ConsistentRead: true }),
        )
      ).Item;
    await local.documents.send(new PutCommand({ TableName, Item: item }));
    const refused = await local.run('evict-stale-connections', {});
    expect(refused.output).toMatchObject({ changed: false, summary: expect.stringContaining('not_watched') });
    await local.documents.send(
      new PutCommand({
        TableName: local.table('Operations'),
        Item: { record: 'census', state: { takenAt: Date.now(), mayEvict: true, mayEvictMany: true } },
      }),
    );
    const dry = await local.run('evict-stale-connections', { dryRun: true });
    expect(dry.output).toMatchObject({ changed: false, summary: expect.stringContaining('dry run: closed 1 silent') });
    expect(await stays()).toBeDefined();
    const ran = await local.run('evict-stale-connections', {});
    expect(ran.output).toMatchObject({
      changed: true,
      report: { leaks: { byUser: [{ name: 'bob', silent: 1 }], byAddress: [{ name: '192.0.2.1' }] } },
    });
    expect(await stays()).toBeUndefined();
    expect((await local.run('evict-stale-connections', {})).output.changed).toBe(false);
  });
});

describe('releases', () => {
  let code: string;
  beforeAll(async () => {
    code = await mkdtemp(join(tmpdir(), 'release-'));
  });
  afterAll(() => rm(code, { recursive: true }));

  const named = (part: string) => {
    const name = functions.find(each => each.includes(part));
    if (name === undefined) throw new Error(`no function ${part}`);
    return name;
  };
  let functions: readonly string[];
  const live = async (name: string) =>
    (await local.lambda.send(new GetAliasCommand({ FunctionName: name, Name: 'live' }))).FunctionVersion;
  /** Another version of a function, which its alias goes to. */
  const release = async (name: string) => {
    const deployed = local.functions.deployed(name);
    const directory = join(code, name);
    await cp(deployed.version().directory, directory, { recursive: true });
    const bundle = join(directory, 'index.js');
    await writeFile(bundle, `${await readFile(bundle, 'utf8')}\n// ${Math.random()}\n`);
    deployed.updateCode(directory);
    const { Version = '' } = await local.lambda.send(new PublishVersionCommand({ FunctionName: name }));
    deployed.setAlias('live', Version);
  };

  test('are taken back together within the time, put forward again, or not at all', async () => {
    const { output } = await local.run('diagnose', {});
    const { diagnosis } = output.report as { diagnosis: { release: { found: { functions: string[] } } } };
    functions = diagnosis.release.found.functions;
    const [message, fanOut] = [named('MessageFunction'), named('FanOutFunction')];
    const within = { parameters: { withinSeconds: 3_600 } };
    // Long before, so that it was a deployment of its own: 3 s are half an hour.
    expect((await local.run('rollback-release', within)).output).toMatchObject({
      changed: false,
      summary: expect.stringMatching(/first|not within/),
    });
    await new Promise(resolve => setTimeout(resolve, 3_500));
    await release(message);
    await release(fanOut);
    const dry = await local.run('rollback-release', { ...within, dryRun: true });
    expect(dry.output).toMatchObject({ changed: false, summary: expect.stringContaining('2 to 1') });
    expect(await live(message)).toBe('2');

    const ran = await local.run('rollback-release', within);
    expect(ran).toMatchObject({ status: 'SUCCEEDED', output: { changed: true } });
    expect([await live(message), await live(fanOut)]).toEqual(['1', '1']);
    expect((await local.run('rollback-release', { undo: ran.output.change })).output.changed).toBe(true);
    expect([await live(message), await live(fanOut)]).toEqual(['2', '2']);
    // It was cut off, and told nobody what it moved.
    expect((await local.run('rollback-release', { undo: { owner: ran.arn } })).output.changed).toBe(false);
    // Moved since: its revision is another.
    expect((await local.run('rollback-release', { undo: ran.output.change })).output.changed).toBe(false);

    await during({ fault: 'function-error', function: 'rollback-plan' }, async () => {
      expect(await local.run('rollback-release', within)).toMatchObject({ status: 'FAILED' });
    });
    expect([await live(message), await live(fanOut)]).toEqual(['2', '2']);
  });
});

describe('diagnose', () => {
  test('tells in sentences and in data what answers and what does not, and changes nothing', async () => {
    const before = await local.record();
    const { output, status, cause } = await local.run('diagnose', {});
    expect([status, cause]).toEqual(['SUCCEEDED', '']);
    const { sentences, diagnosis } = output.report as {
      sentences: string[];
      diagnosis: Record<string, { ok: boolean }>;
    };
    expect(diagnosis).toMatchObject({
      figures: { ok: true },
      clients: { ok: true },
      release: { ok: true },
      keys: { ok: true },
      token: { ok: true },
    });
    expect(sentences.join(' ')).toMatch(/key set is reachable/);
    expect(sentences.join(' ')).not.toMatch(/did not answer/);
    await during({ fault: 'queue-outage', operation: 'GetQueueAttributes' }, async () => {
      const told = await local.run('diagnose', {});
      expect(told.output.summary).toMatch(/^.*The queue \S+ did not answer as it should/);
    });
    expect(await local.record()).toEqual(before);
  });

  test('tells what is changed for now, and calls nobody silent whose heartbeats are not written', async () => {
    const { output } = await local.run('degrade-presence', {});
    const told = await local.run('diagnose', {});
    expect(told.output.summary).toContain('Changed in the control record: presence degraded.');
    expect(told.output.summary).toContain('who of them is silent cannot be told now');
    await local.run('degrade-presence', { undo: output.change });
    expect((await local.run('diagnose', {})).output.summary).toContain('Nothing is changed in the control record.');
  });

  test('fails in words where its function does', async () => {
    await during({ fault: 'function-error', function: 'diagnose' }, async () => {
      expect(await local.run('diagnose', {})).toMatchObject({
        status: 'FAILED',
        cause: expect.stringMatching(/^diagnose: /),
      });
    });
  });
});
