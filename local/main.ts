import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { TemplateError } from './assembly/template-error.ts';
import { endpointsFile } from './endpoints.ts';
import { startEnvironment } from './environment.ts';
import { terminalLog } from './log.ts';
import { SynthError, synthesize } from './synthesize.ts';

const port = (text: string): number => {
  const number = Number(text);
  if (Number.isInteger(number) && number >= 0 && number <= 65_535) return number;
  throw new InvalidArgumentError('a port is a number from 0 (any free one) to 65535');
};

const scale = (text: string): number => {
  const number = Number(text);
  if (Number.isFinite(number) && number >= 1 && number <= 600) return number;
  throw new InvalidArgumentError('a number from 1 to 600');
};

interface Options {
  readonly service: string;
  readonly env: string;
  readonly port: number;
  readonly httpPort: number;
  readonly awsPort: number;
  readonly tokensPort: number;
  readonly stateDir: string;
  readonly timeScale: number;
  readonly fresh?: true;
  readonly anonymous?: true;
  readonly runbooks?: string;
  readonly environments?: string;
}

const options = new Command('npm start --')
  .description('Synthesizes a service and runs the result on this machine.')
  .option('--service <name>', 'service, a runbook of the runbooks directory', 'chat-backend')
  .option('--env <name>', 'environment', 'dev')
  .option('--port <port>', 'port of the WebSocket API', port, 3001)
  .option('--http-port <port>', 'port of the HTTP API', port, 3002)
  .option('--aws-port <port>', "port of AWS's own APIs", port, 0)
  .option('--tokens-port <port>', 'port of the token issuer', port, 0)
  .option('--state-dir <dir>', 'where queues, tables, keys and logs are kept', '.local')
  .option('--time-scale <factor>', 'how many times faster the monitoring plane runs', scale, 1)
  .option('--fresh', 'drop what an earlier run left in the state directory')
  .option('--anonymous', 'admit clients without a token (environment dev only)')
  .option('--runbooks <dir>', 'your own runbooks')
  .option('--environments <file>', 'your own environments')
  .parse()
  .opts<Options>();

/** The pid of a running environment that uses this state directory. */
function occupant(stateDirectory: string): number | undefined {
  try {
    const { pid } = JSON.parse(readFileSync(endpointsFile(stateDirectory), 'utf8'));
    process.kill(pid, 0);
    return pid;
  } catch {
    // No file, or its process is gone: nobody is there.
    return undefined;
  }
}

async function main(): Promise<void> {
  const stateDirectory = resolve(options.stateDir);
  const pid = occupant(stateDirectory);
  if (pid !== undefined) {
    throw new TemplateError(`${options.stateDir} is in use by process ${pid}; end it, or give another --state-dir`);
  }
  const assembly = join(stateDirectory, 'cdk.out');
  console.log(`synthesizing ${options.service} in ${options.env} …`);
  await synthesize({ ...options, anonymous: options.anonymous ?? false, output: assembly });
  const environment = await startEnvironment({
    ...options,
    assembly,
    stateDirectory,
    fresh: options.fresh ?? false,
    log: terminalLog(line => process.stderr.write(line)),
  });
  const { endpoints, developer } = environment;
  console.log(`
${options.service} in ${options.env} runs on this machine.

  WebSocket API   ${endpoints.websocketUrl}
  HTTP API        ${endpoints.httpUrl}
  AWS APIs        ${endpoints.awsUrl}   (AWS_ENDPOINT_URL, AWS_REGION=${endpoints.region},
                  AWS_ACCESS_KEY_ID=${developer.accessKeyId}, AWS_SECRET_ACCESS_KEY=${developer.secretAccessKey};
                  good on this machine only)
  token keys      ${endpoints.jwksUrl}
  state, logs     ${options.stateDir}

A token: npm run -s token -- --user alice${options.stateDir === '.local' ? '' : ` --state-dir ${options.stateDir}`}
Ctrl-C ends it; queues and tables are kept.`);

  let endingSince: number | undefined;
  const end = (signal: NodeJS.Signals) => {
    if (endingSince !== undefined) {
      // npm passes on the signal that the terminal has sent to all: one Ctrl-C comes twice. A later one is impatience.
      if (Date.now() - endingSince > 1_000) process.exit(130);
      return;
    }
    endingSince = Date.now();
    console.log(`\n${signal}: closing …`);
    environment.close().then(
      () => console.log('closed.'),
      error => {
        console.error(error);
        process.exitCode = 1;
      },
    );
  };
  process.on('SIGINT', end);
  process.on('SIGTERM', end);
}

/** What a user can mend is a sentence; anything else is shown whole, with its stack. */
function explain(error: unknown): unknown {
  if (error instanceof TemplateError || error instanceof SynthError) return error.message;
  const { code, port, path } = error as NodeJS.ErrnoException & { readonly port?: number };
  if (code === 'EADDRINUSE')
    return `port ${port} is in use; give others with --port, --http-port, --aws-port, --tokens-port`;
  const unusable = code === 'EACCES' || code === 'ENOTDIR' || code === 'EROFS' || code === 'EEXIST';
  return unusable && path ? `${path} cannot be used (${code}); give another --state-dir` : error;
}

try {
  await main();
} catch (error) {
  console.error(explain(error));
  process.exitCode = 1;
}
