import { allFaults, type Fault } from './faults.ts';
import { play } from './history.ts';
import type { Mutation } from './mutations.ts';
import type { Plan } from './plan.ts';

/** Smaller plans, the boldest first. */
function* smaller(plan: Plan): Generator<Plan> {
  const { clients, channels, messages, activeMs, faults } = plan;
  for (const messagesLeft of new Set([1, Math.floor(messages / 2), messages - 1]))
    if (messagesLeft > 0 && messagesLeft < messages) yield { ...plan, messages: messagesLeft };
  for (const clientsLeft of new Set([1, Math.floor(clients / 2), clients - 1]))
    if (clientsLeft > 0 && clientsLeft < clients) yield { ...plan, clients: clientsLeft };
  if (channels > 1) yield { ...plan, channels: 1 };
  for (const fault of allFaults) {
    if (faults[fault] === undefined) continue;
    const { [fault]: _, ...rest } = faults;
    yield { ...plan, faults: rest as Partial<Record<Fault, number>>, without: [] };
  }
  if (activeMs > 500) yield { ...plan, activeMs: Math.floor(activeMs / 2) };
  if (plan.shardSize < 1_000) yield { ...plan, shardSize: 1_000 };
}

/** Leaves single faults out, many together at first. */
async function leaveFaultsOut(plan: Plan, number: number, fails: (plan: Plan) => Promise<boolean>): Promise<Plan> {
  let best = plan;
  for (let size = Math.max(1, number >> 1); size >= 1; size = size === 1 ? 0 : size >> 1) {
    for (let from = 0; from < number; from += size) {
      const part = Array.from({ length: Math.min(size, number - from) }, (_, n) => from + n);
      const without = [...new Set([...best.without, ...part])];
      if (without.length > best.without.length && (await fails({ ...best, without }))) best = { ...best, without };
    }
  }
  return best;
}

/**
 * A smaller plan that breaks the invariant too: fewer clients, messages, kinds of faults and faults. Another seed is tried
 * where the same one does not, since what is left out shifts the rest.
 * @param seeds to try for each smaller plan
 */
export async function shrink(plan: Plan, mutation: Mutation = {}, seeds = 12): Promise<Plan> {
  const fails = async (candidate: Plan) => (await play(candidate, mutation)).violation !== undefined;
  const failing = async (candidate: Plan): Promise<Plan | undefined> => {
    for (let n = 0; n < seeds; n += 1) {
      const other = n === 0 ? candidate : { ...candidate, seed: plan.seed + n, without: [] };
      if (await fails(other)) return other;
    }
    return undefined;
  };
  const oneSmaller = async (from: Plan): Promise<Plan | undefined> => {
    for (const candidate of smaller(from)) {
      const found = await failing(candidate);
      if (found) return found;
    }
    return undefined;
  };
  let best = plan;
  for (let next = await oneSmaller(best); next; next = await oneSmaller(best)) best = next;
  const { faultNumber } = await play(best, mutation);
  return leaveFaultsOut(best, faultNumber, fails);
}
