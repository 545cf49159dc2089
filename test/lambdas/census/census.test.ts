import fc from 'fast-check';
import { type CensusReport, takeCensus } from '../../../lambdas/census/census.ts';
import type { CensusRecord, CensusState } from '../../../lambdas/census/record.ts';
import type { NewConnection } from '../../../lambdas/shared/connections.ts';
import { type Control, defaultControl } from '../../../lambdas/shared/control.ts';
import type { HeartbeatRule } from '../../../lambdas/shared/liveness.ts';
import { InMemoryService, immediately, type Step } from '../in-memory.ts';
import { recordedMetrics } from '../recorded-metrics.ts';

const heartbeat = { intervalMs: 30_000, graceMs: 10_000 };
const now = 1_000_000_000;
const silentSince = now - 55_001;
const aliveSince = now - 55_000;

/** Heartbeats have been watched for as long as it takes to judge them. */
const watched: CensusState = {
  level: { counts: [], peak: 0 },
  takenAt: now - 60_000,
  watchedSince: now - 55_000,
  mayEvict: true,
  mayEvictMany: true,
};

const longWatched: CensusState = { ...watched, watchedSince: 0 };

interface Setting {
  readonly heartbeat?: HeartbeatRule;
  readonly step?: Step;
  readonly control?: Partial<Control>;
  readonly before?: CensusState;
  readonly record?: CensusRecord;
  readonly backlog?: () => Promise<number>;
  readonly random?: () => number;
  /** Until when heartbeats may not have been written. */
  readonly unwrittenUntil?: number;
}

interface Census {
  readonly report: CensusReport | undefined;
  /** What the next census finds. */
  readonly left: CensusState | undefined;
  readonly failed: readonly string[];
  readonly sums: Readonly<Record<string, number>>;
  readonly error: unknown;
}

async function census(service: InMemoryService, setting: Setting = {}): Promise<Census> {
  const failed: string[] = [];
  const { metrics, sums } = recordedMetrics();
  const { presence, callback, unwritten } = service.view(setting.step ?? immediately);
  let left: CensusState | undefined;
  let error: unknown;
  const record: CensusRecord = setting.record ?? {
    acquire: async () => setting.before ?? watched,
    release: async (_, state) => {
      left = state;
    },
  };
  const report = await takeCensus({
    presence,
    callback,
    metrics,
    record,
    unwritten,
    heartbeat: setting.heartbeat ?? heartbeat,
    control: { read: async () => ({ ...defaultControl, ...setting.control }) },
    backlog: setting.backlog ?? (async () => 0),
    reads: { take: async () => {} },
    random: setting.random ?? (() => 0),
    maxConnections: 200,
    now: () => now,
    holder: 'this one',
    failed: (_, connectionId) => failed.push(connectionId),
  }).catch((reason: unknown) => {
    error = reason;
    return undefined;
  });
  return { report, left, failed, sums, error };
}

const openSockets = (service: InMemoryService): string[] =>
  [...service.sockets].filter(([, socket]) => socket.open).map(([connectionId]) => connectionId);
const connected = (
  service: InMemoryService,
  connectionId: string,
  changes: Partial<NewConnection & { lastSeenAt: number }> = {},
) => service.open(connectionId, { connectedAt: now - 60_000, ...changes });

describe('eviction', () => {
  test('closes exactly those that have sent heartbeats and fell silent', async () => {
    const service = new InMemoryService();
    connected(service, 'silent', { lastSeenAt: silentSince });
    connected(service, 'alive', { lastSeenAt: aliveSince });
    connected(service, 'never');
    const { report, failed, sums } = await census(service);
    expect(report).toMatchObject({ connections: 3, active: 2, silent: 1, evicted: 1, forgotten: 0, drift: 0 });
    expect(failed).toEqual([]);
    expect(openSockets(service)).toEqual(['alive', 'never']);
    // Its `$disconnect` follows, tells why, and forgets it.
    expect(service.connections.get('silent')).toMatchObject({ ending: { reason: 'evicted', at: now } });
    expect(sums).toMatchObject({ HeartbeatTimeouts: 1, Disconnects: 0 });
  });

  test('spares whoever is heard between the reading and the mark', async () => {
    const service = new InMemoryService();
    connected(service, 'late', { lastSeenAt: silentSince });
    const { report } = await census(service, {
      step: async operation => {
        if (operation === 'connections.markEnding')
          await service.view().presence.connections.beat('late', now, heartbeat.intervalMs / 2);
      },
    });
    expect(report).toMatchObject({ silent: 1, evicted: 0 });
    expect(openSockets(service)).toEqual(['late']);
    expect(service.connections.get('late')).not.toHaveProperty('ending');
  });

  test('forgets a connection whose end was never told, and counts its end', async () => {
    const service = new InMemoryService();
    connected(service, 'ghost', { lastSeenAt: silentSince }).open = false;
    service.subscribe('ghost', 'room:1');
    const { report, sums } = await census(service);
    expect(report).toMatchObject({ connections: 1, active: 0, evicted: 1 });
    expect(service.connections.size).toBe(0);
    expect(service.subscribersOf('room:1', 0).size).toBe(0);
    expect(service.connectionCount).toBe(0);
    expect(sums).toMatchObject({ Disconnects: 1, 'Disconnects[evicted]': 1 });
  });

  test('of one that cannot be closed is tried again by the next census', async () => {
    const service = new InMemoryService();
    for (const id of ['a', 'b', 'c']) connected(service, id, { lastSeenAt: silentSince });
    service.onClose = id => {
      if (id === 'b') throw new Error('answered 500');
    };
    const { report, failed } = await census(service);
    expect(report).toMatchObject({ silent: 3, evicted: 2 });
    expect(failed).toEqual(['b']);
    expect(openSockets(service)).toEqual(['b']);
    service.onClose = () => {};
    const marked = service.connections.get('b');
    if (marked) service.connections.set('b', { ...marked, ending: { reason: 'evicted', at: now - 60_000 } });
    await census(service);
    expect(openSockets(service)).toEqual([]);
  });

  test.each([
    [20, 100, 20],
    [21, 100, 0],
    [21, 420, 21],
    [21, 419, 0],
    [5, 5, 5],
  ])('of %d silent among %d is of %d', async (silent, connections, evicted) => {
    const service = new InMemoryService();
    for (let n = 0; n < connections; n += 1) {
      connected(service, `c${n}`, { lastSeenAt: n < silent ? silentSince : aliveSince });
    }
    const { report, left, sums } = await census(service);
    expect(report).toMatchObject({ connections, silent, evicted });
    expect(openSockets(service)).toHaveLength(connections - evicted);
    const marked = [...service.connections.values()].filter(({ ending }) => ending !== undefined);
    expect(marked).toHaveLength(evicted);
    expect(left?.mayEvict).toBe(evicted > 0);
    expect(sums.SilentConnections).toBeCloseTo((100 * silent) / connections);
  });

  /** Silence that is our own doing is not told, so that what it was done for raises no alarm. */
  test.each<[string, number | undefined, Setting]>([
    ['presence is degraded', undefined, { control: { presence: 'degraded' } }],
    ['presence was degraded until a moment ago', 100, { before: { ...watched, watchedSince: now - 54_999 } }],
    ['heartbeats were not written until a moment ago', undefined, { unwrittenUntil: now - 54_999 }],
    ['heartbeats may not be written even now', undefined, { unwrittenUntil: now + 9_000 }],
    ['nobody has watched', 100, { before: { level: watched.level, mayEvict: false, mayEvictMany: false } }],
    ['nobody watched for a while', 100, { before: { ...watched, takenAt: now - 150_001 } }],
  ])('is left where %s', async (_, share, setting) => {
    const service = new InMemoryService();
    connected(service, 'silent', { lastSeenAt: silentSince });
    service.unwrittenUntil = setting.unwrittenUntil ?? 0;
    const { report, left, sums } = await census(service, setting);
    expect(report).toMatchObject({ silent: 1, evicted: 0 });
    expect(sums).toMatchObject({ HeartbeatTimeouts: 0, CensusRuns: 1 });
    expect(sums.SilentConnections).toBe(share);
    expect(left).toMatchObject({ mayEvict: false, mayEvictMany: false });
    expect(openSockets(service)).toEqual(['silent']);
  });

  test('is judged where heartbeats were not written long ago', async () => {
    const service = new InMemoryService();
    connected(service, 'silent', { lastSeenAt: silentSince });
    service.unwrittenUntil = now - 55_000;
    expect((await census(service)).report).toMatchObject({ silent: 1, evicted: 1 });
  });

  // Ages of those who are heard each interval of 30 s; silence begins at 55 s.
  test.each([
    ['so many are, but the others are heard as ever', 40, 100, () => 30_000, true],
    ['one heartbeat in twenty of the others is lost', 40, 100, (n: number) => (n % 20 === 0 ? 60_000 : 30_000), true],
    ['every third heartbeat of the others is lost', 40, 99, (n: number) => (n % 3 === 0 ? 60_000 : 30_000), false],
    ['too few others are left to tell', 40, 19, () => 30_000, false],
  ])('may be taken for death by who asks for it where %s', async (_, silent, others, intervalOf, many) => {
    const service = new InMemoryService();
    for (let n = 0; n < silent; n += 1) connected(service, `s${n}`, { lastSeenAt: silentSince });
    for (let n = 0; n < others; n += 1) {
      const age = Math.min(54_999, ((n + 0.5) / others) * intervalOf(n));
      connected(service, `c${n}`, { lastSeenAt: now - age });
    }
    const { report, left } = await census(service);
    expect(report).toMatchObject({ silent, evicted: 0 });
    expect(left).toMatchObject({ mayEvict: false, mayEvictMany: many });
  });

  test('of many that an application forgot is no part of what is usual, and closing them is no drop', async () => {
    const service = new InMemoryService();
    for (let n = 0; n < 60; n += 1) connected(service, `c${n}`, { lastSeenAt: now - (n / 60) * 30_000 });
    const before = { ...watched, level: { counts: Array.from({ length: 15 }, () => 60), peak: 60 } };
    for (let n = 0; n < 70; n += 1) connected(service, `s${n}`, { lastSeenAt: silentSince });
    const leaked = await census(service, { before });
    expect(leaked.report).toMatchObject({ active: 130, baseline: 60, dropPercent: 0 });
    expect(leaked.left?.level).toMatchObject({ counts: Array.from({ length: 15 }, () => 60), peak: 130 });
    // And half of the clients that live are missed, however many were forgotten.
    for (let n = 0; n < 60; n += 2) service.connections.delete(`c${n}`);
    const lost = await census(service, { before });
    expect(lost.report).toMatchObject({ active: 100, dropPercent: 50 });
  });

  test('is never taken for death while nobody’s heartbeats are written, whenever it is looked at', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 60_000 }),
        fc.integer({ min: 1, max: 300_000 }),
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 60, maxLength: 200 }),
        async (graceMs, sinceMs, phases) => {
          const service = new InMemoryService();
          for (const [n, phase] of phases.entries())
            connected(service, `c${n}`, { lastSeenAt: now - sinceMs - phase * heartbeat.intervalMs });
          const { report, left } = await census(service, { heartbeat: { ...heartbeat, graceMs }, before: longWatched });
          // Few may be closed, as at any time; what is asked is that nobody takes many for dead.
          if ((report?.silent ?? 0) > 20) expect(left).toMatchObject({ mayEvict: false, mayEvictMany: false });
        },
      ),
      { numRuns: 300 },
    );
  });

  test('is left where nobody can say whether heartbeats were written, and that shows', async () => {
    const service = new InMemoryService();
    connected(service, 'silent', { lastSeenAt: silentSince });
    const { sums, left, error } = await census(service, {
      step: async operation => {
        if (operation === 'unwritten.until') throw new Error('throttled');
      },
    });
    expect(openSockets(service)).toEqual(['silent']);
    expect(left?.mayEvict).toBe(false);
    expect(error).toBeInstanceOf(AggregateError);
    expect(sums).not.toHaveProperty('CensusRuns');
  });

  test('begins again when heartbeats were watched for long enough after a degraded presence', async () => {
    const service = new InMemoryService();
    connected(service, 'silent', { lastSeenAt: silentSince });
    const degraded = await census(service, { control: { presence: 'degraded' } });
    expect(degraded.left).not.toHaveProperty('watchedSince');
    const full = await census(service, { before: { ...watched, ...degraded.left } });
    expect(full.left).toMatchObject({ watchedSince: now - 55_000 });
    const { watchedSince: _, ...unwatched } = watched;
    expect((await census(service, { before: unwatched })).left).toMatchObject({ watchedSince: now });
  });
});

test('a connection whose token has ended is told so and closed', async () => {
  const service = new InMemoryService();
  connected(service, 'expired', { tokenExpiresAt: now - 5_001 });
  connected(service, 'good', { tokenExpiresAt: now - 5_000 });
  const { report } = await census(service);
  expect(report).toMatchObject({ expired: 1, active: 1 });
  expect(openSockets(service)).toEqual(['good']);
  expect(service.sockets.get('expired')?.frames.map(frame => JSON.parse(frame).code)).toEqual(['token_expired']);
  expect(service.connections.get('expired')).toMatchObject({ ending: { reason: 'expired' } });
});

describe('leftovers', () => {
  test('that the gateway must have ended are forgotten, though they never sent a heartbeat', async () => {
    const later = 2 * 3_600_000 + 60_001;
    const service = new InMemoryService();
    service.open('ghost', { connectedAt: now - later });
    service.subscribe('ghost', 'room:1');
    service.open('old', { connectedAt: now - later + 1, lastSeenAt: aliveSince });
    const { report, sums } = await census(service);
    expect(report).toMatchObject({ connections: 2, active: 1, forgotten: 1, evicted: 0 });
    expect([...service.connections.keys()]).toEqual(['old']);
    expect(service.subscribersOf('room:1', 0).size).toBe(0);
    expect(service.connectionCount).toBe(1);
    expect(sums['Disconnects[server]']).toBe(1);
  });

  test('of which nothing tells are asked for at the gateway, and forgotten where they are gone', async () => {
    const service = new InMemoryService();
    // Who sends heartbeats has sent two by then.
    const { intervalMs } = heartbeat;
    service.open('gone', { connectedAt: now - 2 * intervalMs - 1 }).open = false;
    service.open('listens', { connectedAt: now - 2 * intervalMs - 1 });
    service.open('young', { connectedAt: now - 2 * intervalMs }).open = false;
    const asked: string[] = [];
    const { report, sums } = await census(service, { step: async operation => void asked.push(operation) });
    expect(report).toMatchObject({ forgotten: 1, active: 2 });
    expect([...service.connections.keys()]).toEqual(['listens', 'young']);
    expect(asked.filter(operation => operation === 'callback.exists')).toHaveLength(2);
    expect(sums['Disconnects[abnormal]']).toBe(1);
  });

  test('are asked for three hundred at a time, and each has its turn', async () => {
    const service = new InMemoryService();
    for (let n = 0; n < 400; n += 1) service.open(`c${n}`, { connectedAt: now - 700_000 }).open = false;
    let seed = 1;
    // Any even source does; this one repeats.
    const random = () => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed / 2_147_483_647;
    };
    expect((await census(service, { random })).report).toMatchObject({ forgotten: 300, active: 100 });
    expect([...service.connections.keys()].some(id => Number(id.slice(1)) < 300)).toBe(true);
    expect((await census(service, { random })).report).toMatchObject({ forgotten: 100, active: 0 });
  });
});

describe('the counters', () => {
  test.each([-3, 0, 4])('that are off by %d are corrected', async off => {
    const service = new InMemoryService();
    for (const id of ['a', 'b', 'c', 'd', 'e']) connected(service, id);
    service.connectionCount += off;
    expect((await census(service)).report?.drift).toBe(-off || 0);
    expect(service.connectionCount).toBe(5);
  });

  test('are not corrected by what comes and goes while connections are counted', async () => {
    const service = new InMemoryService();
    for (const id of ['a', 'b', 'c', 'd']) connected(service, id);
    let scans = 0;
    const { report } = await census(service, {
      step: async operation => {
        if (operation !== 'connections.scan') return;
        scans += 1;
        // After its page was read.
        if (scans === 2) {
          service.connections.delete('a');
          service.connectionCount -= 1;
        }
      },
    });
    expect(report).toMatchObject({ connections: 4, drift: 0 });
    expect(service.connectionCount).toBe(3);
  });
});

describe('metrics', () => {
  test('are put each minute, with a zero for each count', async () => {
    const service = new InMemoryService();
    for (const id of ['a', 'b', 'c']) connected(service, id);
    const before = { ...watched, level: { counts: [4, 4, 4], peak: 9, day: '1970-01-12' } };
    const { sums, left } = await census(service, { before, backlog: async () => 17 });
    expect(sums).toMatchObject({
      ActiveConnections: 3,
      PeakConnections: 9,
      BaselineConnections: 4,
      ConnectionDrop: 25,
      ConnectionsUsed: 1.5,
      SilentConnections: 0,
      HeartbeatTimeouts: 0,
      Backlog: 17,
      CensusRuns: 1,
      'Disconnects[abnormal]': 0,
      'ConnectionErrors[token]': 0,
      MessagesAccepted: 0,
    });
    expect(left?.level.counts).toEqual([4, 4, 4, 3]);
  });

  test('tell of no drop while clients are drained, and of no success where a part failed', async () => {
    const service = new InMemoryService();
    const before = { ...watched, level: { counts: [100, 100], peak: 100 } };
    const drain = { startedAt: now - 30_000, windowSeconds: 30, reason: 'test' };
    const { sums, error, left } = await census(service, {
      before,
      control: { drain },
      backlog: () => Promise.reject(new Error('queue down')),
    });
    expect(sums).toMatchObject({ BaselineConnections: 100, ConnectionDrop: 0, ActiveConnections: 0 });
    expect(error).toMatchObject({ errors: [new Error('queue down')] });
    expect(sums).not.toHaveProperty('Backlog');
    expect(sums).not.toHaveProperty('CensusRuns');
    expect(left?.level.counts).toEqual([100, 100]);
  });

  test('a drain that was forgotten hides no drop for ever', async () => {
    const before = { ...watched, level: { counts: [100, 100], peak: 100 } };
    const drain = { startedAt: now - 930_000, windowSeconds: 30, reason: 'test' };
    const { sums } = await census(new InMemoryService(), { before, control: { drain } });
    expect(sums.ConnectionDrop).toBe(100);
  });
});

test('where the connections cannot be read the census fails, and leaves what was before', async () => {
  const service = new InMemoryService();
  const { error, left, sums } = await census(service, {
    step: async operation => {
      if (operation === 'connections.scan') throw new Error('store down');
    },
  });
  expect(error).toEqual(new Error('store down'));
  expect(left).toBeUndefined();
  expect(sums).not.toHaveProperty('ActiveConnections');
  expect(sums).not.toHaveProperty('CensusRuns');
});

test('of two that overlap one does nothing at all', async () => {
  const service = new InMemoryService();
  connected(service, 'silent', { lastSeenAt: silentSince });
  service.connectionCount = 5;
  const release = jest.fn();
  const { report, sums } = await census(service, { record: { acquire: async () => undefined, release } });
  expect(report).toBeUndefined();
  expect(release).not.toHaveBeenCalled();
  expect(sums).toEqual({});
  expect(service.connectionCount).toBe(5);
  expect(openSockets(service)).toEqual(['silent']);
});

test('heartbeats, ends and a second census at any moment evict no one who is heard and count nobody twice', async () => {
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), async scheduler => {
      const service = new InMemoryService();
      for (const id of ['silent', 'beats', 'ends']) connected(service, id, { lastSeenAt: silentSince });
      connected(service, 'ghost', { lastSeenAt: silentSince }).open = false;
      const step: Step = operation => scheduler.schedule(Promise.resolve(), operation);
      const { connections } = service.view(step).presence;
      let heardInTime = false;
      const beats = connections.beat('beats', now, heartbeat.intervalMs / 2).then(({ beat }) => {
        // One that comes when the connection is marked, or gone, comes too late.
        heardInTime = beat === 'moved' && service.connections.get('beats')?.ending === undefined;
      });
      const ends = connections.remove('ends').then(found => {
        if (found) service.connectionCount -= 1;
      });
      // As where the first one's lease ran out.
      await scheduler.waitFor(Promise.all([census(service, { step }), census(service, { step }), beats, ends]));
      if (heardInTime) expect(openSockets(service)).toContain('beats');
      expect(openSockets(service)).not.toContain('silent');
      expect(service.connections.has('ghost')).toBe(false);
      expect(service.connections.has('ends')).toBe(false);
    }),
  );
});
