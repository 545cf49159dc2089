import {
  type AlarmState,
  type Closing,
  type OpenIncident,
  type ReconcileDependencies,
  reconcile,
} from '../../../lambdas/reconcile/reconcile.ts';
import { incidentSchema } from '../../../lambdas/shared/incidents.ts';

const alarm = (name: string, state: AlarmState['state'] = 'ALARM'): AlarmState => ({
  name,
  state,
  reason: 'it is so',
  since: '2026-11-22T12:00:00.000Z',
  periodSeconds: 60,
});
const open = (of: string, item: object = {}): OpenIncident => ({
  alarm: of,
  incident: `${of}-1`,
  owner: 'execution',
  record: incidentSchema.parse({ record: `incident#${of}-1`, alarm: of, ...item }),
});

function run(given: Partial<ReconcileDependencies> & { readonly states: readonly AlarmState[] }) {
  const started: { readonly alarm: string; readonly name: string }[] = [];
  const closings: Closing[] = [];
  const quiet: number[] = [];
  const frozen: boolean[] = [];
  const done = reconcile({
    alarms: async () => given.states,
    isMuted: async () => false,
    open: async () => [],
    isRunning: async () => false,
    answered: async () => new Set(),
    respond: async ({ name: of }, name) => {
      started.push({ alarm: of, name });
    },
    close: async closing => {
      closings.push(closing);
    },
    setQuiet: async (_, value) => {
      quiet.push(value);
    },
    freezeBaseline: async value => {
      frozen.push(value);
    },
    recoveryAlarms: ['recovery-a'],
    now: () => 0,
    failed: () => {},
    ...given,
  });
  return { done, started, closings, quiet, frozen };
}

test('an alarm without an incident is answered, once for each time that it began', async () => {
  const first = run({ states: [alarm('a'), alarm('recovery-a'), alarm('b', 'OK')] });
  await first.done;
  const second = run({ states: [alarm('a')] });
  await second.done;
  expect(first.started.map(each => each.alarm)).toEqual(['a']);
  expect(second.started).toEqual(first.started);
  const later = run({ states: [{ ...alarm('a'), since: '2026-11-22T13:00:00.000Z' }] });
  await later.done;
  expect(later.started).not.toEqual(first.started);
});

test('an alarm whose responder has not recorded its incident is left to it, and answered again once it has ended', async () => {
  const during = run({ states: [alarm('a')], answered: async () => new Set(['a']) });
  await during.done;
  expect(during.started).toEqual([]);
  const names = new Set<string | undefined>();
  for (const now of [0, 59_999, 60_000, 600_000]) {
    const { done, started } = run({ states: [alarm('a')], now: () => now });
    await done;
    names.add(started[0]?.name);
  }
  // Runs of one minute are one.
  expect(names.size).toBe(3);
});

test('a muted alarm is left alone', async () => {
  const { done, started } = run({ states: [alarm('a')], isMuted: async () => true });
  await done;
  expect(started).toEqual([]);
});

test.each([
  ['whose responder runs', 'open', true, 0],
  ['whose responder ended before its work was done', 'open', false, 1],
  ['that people have', 'escalated', false, 0],
  ['that a person stopped', 'stopped', false, 0],
])('an incident %s', async (_, status, running, starts) => {
  const { done, started } = run({
    states: [alarm('a')],
    open: async () => [open('a', { status })],
    isRunning: async () => running,
  });
  await done;
  expect(started).toHaveLength(starts);
});

test('a superseded alarm waits for the more severe one', async () => {
  const incidents = async () => [open('a', { status: 'superseded', supersededBy: new Set(['b']) })];
  const during = run({ states: [alarm('a'), alarm('b')], open: incidents });
  await during.done;
  expect(during.started.map(each => each.alarm)).toEqual(['b']);
  const after = run({ states: [alarm('a'), alarm('b', 'OK')], open: incidents });
  await after.done;
  expect(after.started.map(each => each.alarm)).toEqual(['a']);
});

test('the store is down: only alarms that no responder works on are answered, and the failure is told', async () => {
  const { done, started } = run({
    states: [alarm('a'), alarm('b')],
    open: () => Promise.reject(new Error('no store')),
    answered: async () => new Set(['a']),
  });
  await expect(done).rejects.toThrow('no store');
  expect(started.map(each => each.alarm)).toEqual(['b']);
});

test('what people have is closed and undone when all was well for three runs', async () => {
  const undo = {
    0: { playbook: 'scale-delivery', machine: 'm', change: '{"before":1}' },
    2: { playbook: 'drain', machine: 'd', change: '{}' },
  };
  const states = [alarm('a', 'OK'), alarm('recovery-a', 'OK')];
  const runWith = (quiet: number, of = states) =>
    run({ states: of, open: async () => [open('a', { status: 'escalated', quiet, undo, topic: 't' })] });
  const early = runWith(1);
  await early.done;
  expect([early.quiet, early.closings]).toEqual([[2], []]);
  const last = runWith(2);
  await last.done;
  expect(last.closings).toEqual([
    expect.objectContaining({
      id: 'a-1',
      ending: 'recovered',
      undo: [
        { key: '2', playbook: 'drain', machine: 'd', change: {} },
        { key: '0', playbook: 'scale-delivery', machine: 'm', change: { before: 1 } },
      ],
    }),
  ]);
  const broken = runWith(2, [alarm('a', 'OK'), alarm('recovery-a', 'INSUFFICIENT_DATA')]);
  await broken.done;
  expect([broken.quiet, broken.closings]).toEqual([[0], []]);
});

test('a stop that no responder sees is carried out', async () => {
  const { done, closings } = run({
    states: [alarm('a'), alarm('recovery-a')],
    open: async () => [open('a', { status: 'escalated', stop: { by: 'ann', at: 'now' } })],
  });
  await done;
  expect(closings.map(({ ending, says }) => [ending, says])).toEqual([['stopped', 'stopped by ann']]);
});

test('the baseline is frozen only while the automation works', async () => {
  for (const [status, frozen] of [
    ['open', true],
    ['escalated', false],
  ] as const) {
    const each = run({ states: [], open: async () => [open('a', { status })], isRunning: async () => true });
    await each.done;
    expect(each.frozen).toEqual([frozen]);
  }
});

test('one that fails keeps no other from being answered', async () => {
  const started: string[] = [];
  const { done } = run({
    states: [alarm('a'), alarm('b')],
    respond: async ({ name }) => {
      if (name === 'a') throw new Error('denied');
      started.push(name);
    },
  });
  await expect(done).rejects.toThrow('denied');
  expect(started).toEqual(['b']);
});
