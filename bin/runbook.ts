import { join } from 'node:path';
import { Command } from 'commander';
import { loadEnvironment, loadEnvironments } from '../lib/config/load.ts';
import { described } from '../lib/runbook/problem.ts';
import { isoDate, loadRunbook } from '../lib/runbook/reader.ts';
import { checkRunbooks } from './runbook/check.ts';
import { newRunbook } from './runbook/new.ts';
import { showRunbook } from './runbook/show.ts';

interface Options {
  readonly runbooks: string;
  readonly environments?: string;
}

const own = join(import.meta.dirname, '..', 'runbooks');
const program = new Command('runbook')
  .description('Checks, shows and begins runbooks.')
  .option('--runbooks <directory>', 'directory of the runbooks', own)
  .option('--environments <file>', 'environments of your own instead of the project’s');

program
  .command('check')
  .description('Reports every mistake of the files, or of all services; ends with 1 where there is one.')
  .argument('[files...]', 'runbooks')
  .action(async (files: string[]) => {
    const { runbooks: directory, environments } = program.opts<Options>();
    const known = await loadEnvironments(environments);
    const { lines, passed } = checkRunbooks({ files, directory, environments: known, today: isoDate(new Date()) });
    for (const line of lines) console.log(line);
    if (!passed) process.exitCode = 1;
  });

program
  .command('show')
  .description('Prints the alarms, recovery criteria and escalation of a service.')
  .argument('<service>')
  .option('--env <name>', 'environment', 'prod')
  .action(async (service: string, { env }: { readonly env: string }) => {
    const { runbooks, environments } = program.opts<Options>();
    const runbook = loadRunbook(service, runbooks, warning => console.error(`warning: ${described(warning)}`));
    console.log(showRunbook(runbook, await loadEnvironment(env, environments)));
  });

program
  .command('new')
  .description('Begins a runbook from the template.')
  .argument('<service>')
  .action((service: string) => {
    const { runbooks } = program.opts<Options>();
    const path = newRunbook(service, runbooks, join(own, 'template.md'), new Date());
    console.log(`${path}: fill it in, then npm run -s runbook -- check ${path}`);
  });

try {
  await program.parseAsync();
} catch (error) {
  // What a user has to mend is in the message; where in this code it was found is not for them.
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
