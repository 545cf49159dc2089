import { readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { DescribeExecutionCommand, StartExecutionCommand } from '@aws-sdk/client-sfn';
import { Argument, Command, InvalidArgumentError } from 'commander';
import { loadRunbook } from '../lib/runbook/reader.ts';
import type { Runbook } from '../lib/runbook/runbook.ts';
import {
  acknowledge,
  answer,
  confirm,
  findIncident,
  listIncidents,
  type SwitchPosition,
  setSwitch,
  stop,
  switchPositions,
} from './incident/incidents.ts';
import { postMortem } from './incident/post-mortem.ts';
import { incidentTable, showIncident } from './incident/show.ts';
import { findTarget, playbookArn, type Target, type TargetOptions } from './incident/target.ts';

interface Options extends TargetOptions {
  readonly runbooks: string;
  readonly as: string;
}

const program = new Command('npm run incident --')
  .description('What the remediation does, and what people say to it. Uses the credentials that the AWS SDK finds.')
  .option('--service <name>', 'service on AWS, with --env')
  .option('--env <name>', 'environment on AWS, with --service')
  .option('--state-dir <directory>', 'without both: state directory of the environment on this machine', '.local')
  .option('--as <name>', 'who you are, for the timeline', userInfo().username)
  .option('--runbooks <directory>', 'your own runbooks', join(import.meta.dirname, '..', 'runbooks'));

const options = () => program.opts<Options>();
const target = () => findTarget(options());

/** What the reader calls for this service, with the options that were given. */
function command(): string {
  const { service, env } = options();
  const given = Object.entries({ service, env })
    .concat(program.getOptionValueSource('stateDir') === 'default' ? [] : [['state-dir', options().stateDir]])
    .concat(program.getOptionValueSource('runbooks') === 'default' ? [] : [['runbooks', options().runbooks]]);
  return ['npm run incident --', ...given.flatMap(([name, value]) => (value ? [`--${name} ${value}`] : []))].join(' ');
}

/** Where the runbook cannot be read, an incident is shown without what it says. */
function runbookOf(service: string): Runbook | undefined {
  try {
    return loadRunbook(service, options().runbooks, () => {});
  } catch (error) {
    console.error(`incident: the runbook is left out: ${(error as Error).message}`);
    return undefined;
  }
}

const person = ({ now }: Target) => ({ by: options().as, at: new Date(now()).toISOString() });

program
  .command('list')
  .description('shows what is open')
  .option('--all', 'and what is closed')
  .action(async ({ all }: { readonly all?: true }) => {
    const incidents = await listIncidents(await target());
    const shown = incidents.filter(({ status }) => all || status !== 'closed');
    console.log(shown.length > 0 ? incidentTable(shown) : 'Nothing is open.');
  });

program
  .command('show <id>')
  .description('shows one: its timeline, what is to be undone, what waits for you')
  .action(async (id: string) => {
    const found = await target();
    const incident = await findIncident(found, id);
    console.log(showIncident(incident, { command: command(), runbook: runbookOf(found.service) }));
  });

program
  .command('ack <id>')
  .description('says that you have seen it: nobody further is told')
  .action(async (id: string) => {
    const found = await target();
    await acknowledge(found, await findIncident(found, id), person(found));
  });

for (const [name, approved, description] of [
  ['approve', true, 'lets the playbook run that waits for it'],
  ['reject', false, 'does not: people go on'],
] as const) {
  program
    .command(`${name} <id>`)
    .description(description)
    .action(async (id: string) => {
      const found = await target();
      await answer(found, await findIncident(found, id), person(found), approved);
    });
}

program
  .command('stop <id>')
  .description('ends the automation and undoes what it changed; the incident stays until all is well')
  .action(async (id: string) => {
    const found = await target();
    await stop(found, await findIncident(found, id), person(found));
  });

program
  .command('confirm <id> [what]')
  .description('ticks what only a person can see; without WHAT, all that the runbook asks for')
  .action(async (id: string, what: string | undefined) => {
    const found = await target();
    const { recovery } = loadRunbook(found.service, options().runbooks);
    const asked = recovery.flatMap(criterion => (criterion.kind === 'person' ? [criterion.text] : []));
    if (what === undefined && asked.length === 0)
      throw new Error(`the runbook of ${found.service} asks for nothing; give WHAT`);
    for (const each of what === undefined ? asked : [what])
      await confirm(found, await findIncident(found, id), person(found), each);
  });

program
  .command('post-mortem <id>')
  .description('prints a draft in Markdown')
  .action(async (id: string) => {
    const found = await target();
    const { runbooks } = options();
    const markdown = readFileSync(join(runbooks, `${found.service}.md`), 'utf8');
    const incident = await findIncident(found, id);
    console.log(postMortem({ incident, runbook: loadRunbook(found.service, runbooks), markdown }));
  });

program
  .command('switch')
  .description('says what the remediation may do by itself, for all alarms of the service')
  .addArgument(new Argument('<position>').choices(switchPositions))
  .action(async (position: SwitchPosition) => setSwitch(await target(), position));

/** `shards=5` and `notice=refresh`. */
const parameter = (text: string, given: Record<string, string | number> = {}): Record<string, string | number> => {
  const [, name, value = ''] = /^(\w+)=(.+)$/.exec(text) ?? [];
  if (name === undefined) throw new InvalidArgumentError('a parameter is NAME=VALUE');
  return { ...given, [name]: /^\d+$/.test(value) ? Number(value) : value };
};

program
  .command('dry-run <playbook>')
  .argument('[parameters...]', 'such as shards=5', parameter)
  .description('shows what a playbook would do now; changes nothing')
  .action(async (playbook: string, parameters: Record<string, string | number> = {}) => {
    const found = await target();
    const input = JSON.stringify({ incident: 'dry-run', alarm: 'dry-run', parameters, dryRun: true });
    const { executionArn } = await found.states.send(
      new StartExecutionCommand({ stateMachineArn: await playbookArn(found, playbook), input }),
    );
    for (;;) {
      const { status, output, error, cause } = await found.states.send(new DescribeExecutionCommand({ executionArn }));
      if (status === 'SUCCEEDED') return console.log(JSON.stringify(JSON.parse(output ?? 'null'), null, 2));
      if (status !== 'RUNNING') throw new Error(`${playbook} ended as ${status}: ${error ?? ''} ${cause ?? ''}`);
      await setTimeout(1_000);
    }
  });

try {
  await program.parseAsync();
} catch (error) {
  console.error(`incident: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
