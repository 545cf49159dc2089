import { allFaults, type Fault } from './faults.ts';
import { integer, oneOf, randomOf } from './random.ts';

/** What a history is made of; with its seed it says all that happens. */
export interface Plan {
  readonly seed: number;
  readonly clients: number;
  readonly channels: number;
  readonly messages: number;
  /** How long messages are published and things go wrong, in milliseconds. */
  readonly activeMs: number;
  /** Subscribers that a shard should have at most. */
  readonly shardSize: number;
  /** Share of each fault's greatest chance; those that are not named do not happen. */
  readonly faults: Readonly<Partial<Record<Fault, number>>>;
  /** Numbers of faults that are left out. */
  readonly without: readonly number[];
}

/**
 * The plan of a seed. Few kinds of faults meet in one history, others in another: all at once would hide in each other's
 * noise what two of them do together ("Swarm testing", Groce et al., ISSTA 2012).
 */
export function planOf(seed: number): Plan {
  const random = randomOf(seed, 'plan');
  const share = oneOf(random, [0, 0.15, 0.3, 0.5]);
  const faults: Partial<Record<Fault, number>> = {};
  for (const fault of allFaults) if (random() < share) faults[fault] = oneOf(random, [0.2, 0.5, 1]);
  const crowd = random() < 0.1;
  return {
    seed,
    clients: crowd ? integer(random, 7, 10) : integer(random, 1, 4),
    channels: integer(random, 1, 2),
    messages: crowd ? integer(random, 2, 6) : integer(random, 2, 14),
    // What expires, and what a heartbeat or a census has to see, takes minutes.
    activeMs:
      faults.expiry || faults.degraded
        ? faults.stall
          ? 480_000
          : 240_000
        : oneOf(random, [2_000, 10_000, 30_000, 60_000, 240_000]),
    shardSize: oneOf(random, [1, 2, 3, 1_000]),
    faults,
    without: [],
  };
}

/** A plan as an argument of the command: its seed alone where it is that of the seed. */
export function textOf(plan: Plan): string {
  const { seed, ...rest } = plan;
  const original = JSON.stringify(planOf(seed)) === JSON.stringify(plan);
  return original ? String(seed) : `${seed}/${Buffer.from(JSON.stringify(rest)).toString('base64url')}`;
}

/** @throws SyntaxError where it is none */
export function planIn(text: string): Plan {
  const [seed, rest] = text.split('/');
  if (!seed || !/^\d+$/.test(seed)) throw new SyntaxError(`${text} is neither a seed nor a plan`);
  if (!rest) return planOf(Number(seed));
  return { seed: Number(seed), ...JSON.parse(Buffer.from(rest, 'base64url').toString()) } as Plan;
}
