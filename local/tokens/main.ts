import { Command, InvalidArgumentError, Option } from 'commander';
import { type Algorithm, algorithms, createIssuer } from './issuer.ts';
import { readIssuerClaims } from './server.ts';

interface TokenOptions {
  readonly user: string;
  readonly channels: string[];
  readonly read?: string[];
  readonly write?: string[];
  readonly expires: string;
  readonly stateDir: string;
  readonly algorithm: Algorithm;
}

/** @throws InvalidArgumentError where a `*` is elsewhere than at the end. */
function patterns(list: string): string[] {
  const found = list
    .split(',')
    .map(pattern => pattern.trim())
    .filter(pattern => pattern !== '');
  const wrong = found.find(pattern => pattern.slice(0, -1).includes('*'));
  if (wrong !== undefined) throw new InvalidArgumentError(`'${wrong}': a * can only be the last character.`);
  return found;
}

const program = new Command('token')
  .description('Prints a development token for the environment that runs with a state directory.')
  .requiredOption('--user <name>', 'subject of the token')
  .option(
    '--channels <patterns>',
    'channels to read and write: names, or prefixes ending in *, comma-separated',
    patterns,
    ['*'],
  )
  .option('--read <patterns>', 'channels to read, where they differ from --channels', patterns)
  .option('--write <patterns>', 'channels to write, where they differ from --channels', patterns)
  .option('--expires <span>', 'lifetime, e.g. 90s, 15m, 1h', '1h')
  .option('--state-dir <directory>', 'state directory of the environment', '.local')
  .addOption(new Option('--algorithm <name>', 'signature').choices(algorithms).default('RS256'))
  .action(async ({ user, channels, read, write, expires, stateDir, algorithm }: TokenOptions) => {
    const claims = await readIssuerClaims(stateDir);
    const issuer = await createIssuer(stateDir);
    const granted = { read: read ?? channels, write: write ?? channels };
    console.log(await issuer.sign({ user, channels: granted, expires, algorithm, ...claims }));
  });

try {
  await program.parseAsync();
} catch (error) {
  console.error(`token: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
