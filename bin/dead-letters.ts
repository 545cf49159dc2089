import { Command, InvalidArgumentError } from 'commander';
import { list, redrive } from './dead-letters/dead-letters.ts';
import { allOnThisMachine, onAws, type Target } from './dead-letters/target.ts';

interface Options {
  readonly queue?: string;
  readonly stateDir: string;
}

const limit = (text: string): number => {
  const number = Number(text);
  if (Number.isInteger(number) && number > 0) return number;
  throw new InvalidArgumentError('a number of messages');
};

const targetOf = ({ queue, stateDir }: Options): Promise<Target> | Target =>
  queue === undefined ? allOnThisMachine(stateDir) : onAws(queue);

const nameOf = (queueUrl: string): string => queueUrl.slice(queueUrl.lastIndexOf('/') + 1);

const command = (name: string, description: string) =>
  new Command(name)
    .description(description)
    .option('--queue <url>', 'a dead-letter queue on AWS (DeadLettersUrl, ShardTaskDeadLettersUrl of the stack)')
    .option('--state-dir <directory>', 'without --queue: state directory of the environment on this machine', '.local');

const program = new Command('npm run dead-letters --')
  .description('What could never be delivered, and was put away.')
  .addCommand(
    command('list', 'shows how many there are, and the first of each channel').action(async (options: Options) => {
      const { client, queueUrls } = await targetOf(options);
      for (const queueUrl of queueUrls) {
        const { count, first } = await list(client, queueUrl);
        console.log(`${nameOf(queueUrl)}: ${count}`);
        for (const { group, reason = 'given up', since, bytes } of first)
          console.log(`  ${since.toISOString()}  ${group}  ${reason}  ${bytes} bytes`);
      }
    }),
  )
  .addCommand(
    command('redrive', 'puts them back, as new messages behind those of their channels')
      .option('--limit <count>', 'how many at most of each queue', limit)
      .action(async (options: Options & { readonly limit?: number }) => {
        const { client, queueUrls } = await targetOf(options);
        for (const queueUrl of queueUrls)
          console.log(`${nameOf(queueUrl)}: ${await redrive(client, queueUrl, options.limit)} put back`);
      }),
  );

try {
  await program.parseAsync();
} catch (error) {
  console.error(`dead-letters: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
