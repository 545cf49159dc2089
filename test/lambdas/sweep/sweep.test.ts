import { defaultControl } from '../../../lambdas/shared/control.ts';
import { type SweepAnswer, sweepRequest } from '../../../lambdas/sweep/request.ts';
import { type SweepDependencies, sweep } from '../../../lambdas/sweep/sweep.ts';
import { InMemoryService } from '../in-memory.ts';

const start = 1_000_000_000;
const heartbeat = { intervalMs: 30_000, graceMs: 10_000 };

/** Gives each answer to the next page, as a state machine does. */
async function swept(
  service: InMemoryService,
  request: object,
  changes: Partial<SweepDependencies> = {},
): Promise<{ readonly answers: readonly SweepAnswer[]; readonly failed: readonly string[] }> {
  const failed: string[] = [];
  const { presence, callback, unwritten } = service.view();
  let now = start;
  const dependencies: SweepDependencies = {
    presence,
    closing: callback,
    posting: callback,
    control: { read: async () => defaultControl },
    heartbeat,
    verdict: async now => now,
    unwritten,
    now: () => now,
    failed: (_, connectionId) => failed.push(connectionId),
    ...changes,
  };
  const answers: SweepAnswer[] = [];
  let next: unknown = request;
  do {
    const answer = await sweep(sweepRequest.parse(JSON.parse(JSON.stringify(next))), dependencies);
    answers.push(answer);
    next = answer;
    now += 5_000;
  } while (!answers.at(-1)?.done);
  return { answers, failed };
}

const open = (service: InMemoryService): number => [...service.sockets.values()].filter(socket => socket.open).length;
function serviceWith(connections: number): InMemoryService {
  const service = new InMemoryService();
  for (let n = 0; n < connections; n += 1) service.open(`c${n}`, { connectedAt: start - 1 });
  return service;
}

describe('a notice', () => {
  test('reaches everybody once, over several pages, with what is left of the window', async () => {
    const service = serviceWith(3_200);
    const { answers } = await swept(service, { mode: 'notify', notice: 'server_shutdown', windowSeconds: 8 });
    expect(answers).toHaveLength(3);
    expect(answers.at(-1)).toMatchObject({ done: true, totals: { seen: 3_200, notified: 3_200, failed: 0 } });
    const frames = [...service.sockets.values()].map(({ frames }) => frames.map(frame => JSON.parse(frame)));
    expect(frames.every(received => received.length === 1)).toBe(true);
    const spreads = new Set(frames.map(([frame]) => frame.withinMs));
    // Never without a moment to spread over.
    expect(spreads).toEqual(new Set([8_000, 3_000, 1_000]));
    expect(frames[0]?.[0]).toEqual({ type: 'notice', notice: 'server_shutdown', withinMs: 8_000 });
  });

  test('can carry a text, and forgets who is gone', async () => {
    const service = serviceWith(2);
    const gone = service.sockets.get('c1');
    if (gone) gone.open = false;
    const { answers } = await swept(service, {
      mode: 'notify',
      notice: 'system',
      message: 'back at 9',
      windowSeconds: 5,
    });
    expect(answers.at(-1)?.totals).toMatchObject({ notified: 1, forgotten: 1 });
    expect(JSON.parse(service.sockets.get('c0')?.frames[0] ?? '')).toMatchObject({
      notice: 'system',
      message: 'back at 9',
    });
    expect([...service.connections.keys()]).toEqual(['c0']);
  });

  test('that one does not take is counted, told, and keeps nobody else from it', async () => {
    const service = serviceWith(3);
    service.onPost = id => (id === 'c1' ? { failed: 'server', detail: 'status 500' } : undefined);
    const { answers, failed } = await swept(service, { mode: 'notify', notice: 'refresh', windowSeconds: 5 });
    expect(answers.at(-1)?.totals).toMatchObject({ notified: 2, failed: 1 });
    expect(failed).toEqual(['c1']);
  });
});

describe('a drain', () => {
  test('closes everybody who was there when it began, and marks why', async () => {
    const service = serviceWith(2_000);
    service.open('z-new', { connectedAt: start + 1 });
    const { answers } = await swept(service, { mode: 'drain' });
    expect(answers).toHaveLength(2);
    expect(answers.at(-1)?.totals).toMatchObject({ seen: 2_001, closed: 2_000, failed: 0 });
    expect(service.connections.get('c0')).toMatchObject({ ending: { reason: 'drain' } });
    expect(service.connections.get('z-new')).not.toHaveProperty('ending');
    expect(open(service)).toBe(1);
  });

  test('tried dry closes nobody and tells how many it would', async () => {
    const service = serviceWith(3);
    const { answers } = await swept(service, { mode: 'drain', dryRun: true });
    expect(answers.at(-1)?.totals).toMatchObject({ closed: 3 });
    expect(open(service)).toBe(3);
    expect(service.connections.get('c0')).not.toHaveProperty('ending');
  });

  test('leaves the probe alone', async () => {
    const service = new InMemoryService();
    service.open('probe', { probe: true });
    await swept(service, { mode: 'drain' });
    expect(open(service)).toBe(1);
  });
});

describe('eviction', () => {
  function mixed(): InMemoryService {
    const service = new InMemoryService();
    service.open('silent', { connectedAt: start - 700_000, lastSeenAt: start - 55_001 });
    service.open('alive', { connectedAt: start - 700_000, lastSeenAt: start - 55_000 });
    service.open('listens', { connectedAt: start - 700_000 });
    service.open('gone', { connectedAt: start - 700_000 }).open = false;
    return service;
  }

  test('closes the silent, forgets the gone, and nobody else', async () => {
    const service = mixed();
    const { answers } = await swept(service, { mode: 'evict' });
    expect(answers.at(-1)?.totals).toMatchObject({ seen: 4, closed: 1, forgotten: 1 });
    expect([...service.connections.keys()]).toEqual(['silent', 'alive', 'listens']);
    expect(service.connections.get('silent')).toMatchObject({ ending: { reason: 'evicted' } });
    expect(open(service)).toBe(2);
  });

  test('closes nobody who fell silent after the census that it follows', async () => {
    const service = mixed();
    service.open('silent then', { connectedAt: start - 700_000, lastSeenAt: start - 79_001 });
    const { answers } = await swept(service, { mode: 'evict' }, { verdict: async now => now - 24_000 });
    expect(answers.at(-1)?.totals).toMatchObject({ closed: 1 });
    expect(service.connections.get('silent then')).toMatchObject({ ending: { reason: 'evicted' } });
    expect(service.connections.get('silent')).not.toHaveProperty('ending');
  });

  test.each<[SweepAnswer['refused'], Partial<SweepDependencies>]>([
    ['presence_degraded', { control: { read: async () => ({ ...defaultControl, presence: 'degraded' }) } }],
    ['not_watched_or_mass_silence', { verdict: async () => undefined }],
    ['not_watched_or_mass_silence', { unwritten: { until: async () => start - 54_999 } }],
  ])('is refused where silence means nothing: %s', async (refused, changes) => {
    const service = mixed();
    const { answers } = await swept(service, { mode: 'evict' }, changes);
    expect(answers).toEqual([expect.objectContaining({ done: true, refused })]);
    expect(open(service)).toBe(3);
  });

  test('tried dry changes nothing', async () => {
    const service = mixed();
    const { answers } = await swept(service, { mode: 'evict', dryRun: true });
    expect(answers.at(-1)?.totals).toMatchObject({ closed: 1, forgotten: 1 });
    expect(service.connections.size).toBe(4);
    expect(open(service)).toBe(3);
  });
});
