import { allFaults, faultChances } from './faults.ts';
import { type Outcome, play } from './history.ts';
import { type Mutation, mutations } from './mutations.ts';
import { type Plan, planIn, planOf, textOf } from './plan.ts';
import { shrink } from './shrink.ts';
import { Tally } from './tally.ts';

/** The machine may be busy. */
jest.setTimeout(240_000);

async function failing(mutation: Mutation, histories: number): Promise<{ plan: Plan; outcome: Outcome } | undefined> {
  for (let seed = 1; seed <= histories; seed += 1) {
    const plan = planOf(seed);
    const outcome = await play(plan, mutation);
    if (outcome.violation !== undefined) return { plan, outcome };
  }
  return undefined;
}

test('the invariant holds in hundreds of histories, in which everything goes wrong that can', async () => {
  const tally = new Tally();
  for (let seed = 1; seed <= 500; seed += 1) {
    const plan = planOf(seed);
    const outcome = await play(plan);
    tally.add(outcome);
    if (outcome.violation !== undefined)
      throw new Error(`npm run simulate -- --replay ${textOf(plan)}\n${outcome.violation}`);
  }
  // What expires does so all the time in its histories.
  const faults = allFaults.filter(fault => fault !== 'expiry');
  expect(faults.filter(fault => tally.fault(fault) === 0)).toEqual([]);
  const happenings = [
    'message delivered',
    'redelivery',
    'delivery after its visibility',
    'resume',
    'message replayed',
    'subscribed again on the same connection',
    'shard task',
    'shards raised',
    'resync',
    'flush marker',
    'dead letter',
    'told of an undeliverable message',
    'log expired',
    'post to a closed connection',
    'connection closed for a failed post',
    'connection not closed',
    'connection forgotten by the census',
    'eviction',
    'drained connection',
    'out of time',
  ];
  expect(happenings.filter(happening => tally.happening(happening) === 0)).toEqual([]);
});

test.each(Object.entries(mutations))('notices a mistake: %s', async (_, mutation) => {
  expect(await failing(mutation, 400)).toBeDefined();
});

test('a seed says all that happens', async () => {
  const [once, again] = [await play(planOf(12), {}, true), await play(planOf(12), {}, true)];
  expect(once.trace.length).toBeGreaterThan(100);
  expect(again).toEqual(once);
});

test('a history that fails shrinks to one that fails with less, and replays by its name', async () => {
  const mutation = mutations['deleted after a partial failure'];
  const found = await failing(mutation, 400);
  if (!found) throw new Error('none fails');
  const smallest = await shrink(found.plan, mutation, 3);
  expect(smallest.clients).toBeLessThanOrEqual(found.plan.clients);
  expect(smallest.messages).toBeLessThan(found.plan.messages);
  expect(Object.keys(smallest.faults).length).toBeLessThan(Object.keys(found.plan.faults).length);
  expect(Object.keys(smallest.faults).length).toBeLessThanOrEqual(2);
  const replayed = planIn(textOf(smallest));
  expect(replayed).toEqual(smallest);
  expect((await play(replayed, mutation)).violation).toBeDefined();
});

test('the name of a plan that a seed alone gives is the seed', () => {
  expect(textOf(planOf(7))).toBe('7');
  expect(planIn('7')).toEqual(planOf(7));
  expect(() => planIn('seven')).toThrow(SyntaxError);
});

test('every fault has a chance', () => {
  for (const fault of allFaults) expect(faultChances[fault]).toBeGreaterThan(0);
});
