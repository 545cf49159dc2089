import { Command, InvalidArgumentError, Option } from 'commander';
import { z } from 'zod';
import { catalogue, commonParameters, type FaultDefinition, type FaultSpec } from './catalogue.ts';
import type { RemoteFaults } from './control-client.ts';
import type { ActiveFault } from './faults.ts';
import { storm } from './storm.ts';

const numberSchema = z.coerce.number();
/** What JSON Schema tells of a parameter. */
const property = z.object({
  type: z.string().optional(),
  description: z.string().default(''),
  default: z.unknown().optional(),
  anyOf: z.array(z.object({ type: z.string().optional() })).optional(),
});
const objectSchema = z.object({
  properties: z.record(z.string(), property).default({}),
  required: z.array(z.string()).default([]),
});

function number(text: string): number {
  const percent = /^(.+)%$/.exec(text)?.[1];
  const value = numberSchema.safeParse(percent ?? text);
  if (!value.success || text.trim() === '') throw new InvalidArgumentError('expected a number.');
  return percent === undefined ? value.data : value.data / 100;
}

const kebab = (name: string): string => name.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`);
/** `--for 30` reads better than `--for-seconds 30`. */
const flagOf = (parameter: string): string => (parameter === 'forSeconds' ? 'for' : kebab(parameter));

function optionsOf(schema: z.ZodObject): Option[] {
  const { properties, required } = objectSchema.parse(z.toJSONSchema(schema, { io: 'input' }));
  return Object.entries(properties).map(([parameter, { type, anyOf, description, default: preset }]) => {
    const numeric = ['number', 'integer'].includes(type ?? anyOf?.[0]?.type ?? '');
    const option = new Option(`--${flagOf(parameter)} <${numeric ? 'number' : 'text'}>`, description);
    // A seed can be both.
    if (numeric && parameter !== 'seed') option.argParser(number);
    option.makeOptionMandatory(required.includes(parameter));
    // The environment puts the default in its place; here it is shown only.
    if (preset !== undefined) option.description += ` (default: ${preset})`;
    return option;
  });
}

function line({ id, fault, parameters, share, seed, endsAt, seen, happened, spent }: ActiveFault): string {
  const given = Object.entries(parameters).map(([parameter, value]) => `--${flagOf(parameter)} ${value}`);
  const left = endsAt === undefined ? '' : `, ${Math.max(0, Math.ceil((endsAt - Date.now()) / 1000))} s left`;
  const what = [fault, ...given, `--share ${share}`, `--seed ${seed}`].join(' ');
  return `${id}  ${what}   (happened to ${happened} of ${seen}${left}${spent ? ', spent' : ''})`;
}

export interface FaultCommandOptions {
  /** Finds the environment of a state directory. */
  readonly connect: (stateDirectory: string) => Promise<RemoteFaults>;
  readonly print: (text: string) => void;
}

/** The command `npm run fault`, with a subcommand for each fault of the catalogue. */
export function createFaultCommand({ connect, print }: FaultCommandOptions): Command {
  const program = new Command('fault')
    .description('Injects faults into the environment that runs with a state directory.')
    .addHelpText('after', '\nWhat each does: docs/faults.md. Parameters: npm run fault -- <fault> --help');
  const stateDirectory = () =>
    new Option('--state-dir <directory>', 'state directory of the environment').default('.local');

  program
    .command('list')
    .description('shows the faults that go on')
    .addOption(stateDirectory())
    .action(async ({ stateDir }: { stateDir: string }) => {
      const active = await (await connect(stateDir)).list();
      print(active.length === 0 ? 'no faults' : active.map(line).join('\n'));
    });

  program
    .command('clear')
    .description('ends the fault with an id, or all')
    .argument('[id]')
    .addOption(stateDirectory())
    .action(async (id: string | undefined, { stateDir }: { stateDir: string }) => {
      await (await connect(stateDir)).clear(id);
      print(id === undefined ? 'all ended' : `${id} ended`);
    });

  program
    .command('storm')
    .description('opens many connections at once: a load, no fault')
    .requiredOption('--connections <number>', 'how many', number)
    .option('--rate <number>', 'new ones a second', number, 500)
    .option('--hold <seconds>', 'how long they stay, seconds', number, 10)
    .addOption(stateDirectory())
    .action(
      async ({
        stateDir,
        connections,
        rate,
        hold,
      }: Record<'connections' | 'rate' | 'hold', number> & { stateDir: string }) => {
        print(await storm({ stateDirectory: stateDir, connections, perSecond: rate, holdSeconds: hold }));
      },
    );

  for (const [name, definition] of Object.entries<FaultDefinition>(catalogue as never)) {
    const command = program.command(name).description(definition.summary);
    for (const option of [...optionsOf(definition.parameters), ...optionsOf(commonParameters)])
      command.addOption(option);
    command.addOption(stateDirectory()).action(async (given: { stateDir: string; for?: number }) => {
      const { stateDir, for: forSeconds, ...parameters } = given;
      const spec = { fault: name, ...parameters, ...(forSeconds !== undefined && { forSeconds }) } as FaultSpec;
      const active = await (await connect(stateDir)).inject(spec);
      print(line(active));
    });
  }

  return program;
}
