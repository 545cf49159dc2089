import { setImmediate } from 'node:timers/promises';
import { Command, InvalidArgumentError } from 'commander';
import { play } from './history.ts';
import { mutations } from './mutations.ts';
import { type Plan, planIn, planOf, textOf } from './plan.ts';
import { shrink } from './shrink.ts';
import { Tally } from './tally.ts';

function count(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('a whole number from 1 on');
  return value;
}

function plan(text: string): Plan {
  try {
    return planIn(text);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}

const isMutation = (name: string): name is keyof typeof mutations => name in mutations;
function mutation(name: string): keyof typeof mutations {
  if (isMutation(name)) return name;
  throw new InvalidArgumentError(`one of: ${Object.keys(mutations).join(', ')}`);
}

interface Options {
  readonly histories: number;
  readonly seed: number;
  readonly replay?: Plan;
  readonly shrink: boolean;
  readonly mutation?: keyof typeof mutations;
}

const program = new Command('simulate')
  .description('Plays seeded histories of the service and its clients, and holds each against the invariant.')
  .option('--histories <count>', 'how many', count, 1_000)
  .option('--seed <number>', 'the seed of the first; the others follow', count, 1)
  .option('--replay <seed>', 'plays one history, as the command has named it, and prints what happens in it', plan)
  .option('--no-shrink', 'does not look for a smaller history that fails too')
  .option('--mutation <name>', 'builds a mistake in, to see that it is noticed', mutation);

const { histories, seed, replay, shrink: isShrunk, mutation: name } = program.parse().opts<Options>();
const built = name ? mutations[name] : {};

if (replay) {
  const { violation, trace } = await play(replay, built, true);
  console.log(trace.join('\n'));
  console.log(JSON.stringify(replay));
  console.log(violation ?? 'the invariant holds');
  process.exitCode = violation === undefined ? 0 : 1;
} else process.exitCode = (await run()) ? 0 : 1;

async function run(): Promise<boolean> {
  const tally = new Tally();
  const begun = performance.now();
  const seconds = () => ((performance.now() - begun) / 1000).toFixed(0);
  for (let n = 0; n < histories; n += 1) {
    const plan = planOf(seed + n);
    const outcome = await play(plan, built);
    tally.add(outcome);
    if (outcome.violation !== undefined) {
      console.log(String(tally));
      console.log(`\nHistory ${n + 1} breaks the invariant: ${outcome.violation}`);
      const again = (plan: Plan) =>
        `npm run simulate -- --replay ${textOf(plan)}${name ? ` --mutation '${name}'` : ''}`;
      console.log(`  ${again(plan)}`);
      if (isShrunk) {
        const smallest = await shrink(plan, built);
        console.log(`and so does, with less: ${(await play(smallest, built)).violation}`);
        console.log(`  ${again(smallest)}`);
      }
      return false;
    }
    if ((n + 1) % 500 === 0) console.log(`${n + 1} histories in ${seconds()} s`);
    // So that the process can be interrupted.
    await setImmediate();
  }
  console.log(String(tally));
  console.log(`\n${histories} histories from seed ${seed} in ${seconds()} s: the invariant holds in all.`);
  return true;
}
