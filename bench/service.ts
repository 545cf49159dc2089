import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadRunbook } from '../lib/runbook/reader.ts';
import { type Endpoints, readEndpoints } from '../local/endpoints.ts';
import { connectToFaults, type RemoteFaults } from '../local/faults/control-client.ts';
import { clientTokens } from '../local/tokens/client-tokens.ts';

const root = join(import.meta.dirname, '..');

/** A service that runs on this machine, in a process of its own. */
export interface RunningService extends Endpoints {
  readonly faults: RemoteFaults;
  /** By the service's runbook, milliseconds. */
  readonly heartbeatIntervalMs: number;
  readonly stateDirectory: string;
  /** Keys of a user who may do everything, as the service shows them. */
  readonly developer: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** For 2 h, for all channels; the same one each time a user asks. */
  token(user: string): Promise<string>;
  /** Ends it and removes its state. Its log stays. */
  stop(): Promise<void>;
}

/** @returns what it printed */
async function started(child: ChildProcess, log: string): Promise<string> {
  let printed = '';
  await new Promise<void>((resolve, reject) => {
    child.stdout?.on('data', (chunk: Buffer) => {
      printed += chunk;
      if (printed.includes('Ctrl-C')) resolve();
    });
    child.once('exit', () => reject(new Error(`the service did not start: ${printed}see ${log}`)));
  });
  return printed;
}

function developerIn(printed: string): RunningService['developer'] {
  const [, accessKeyId, secretAccessKey] =
    /AWS_ACCESS_KEY_ID=(\S+), AWS_SECRET_ACCESS_KEY=([^\s;]+)/.exec(printed) ?? [];
  if (accessKeyId === undefined || secretAccessKey === undefined)
    throw new Error(`no keys in what was printed: ${printed}`);
  return { accessKeyId, secretAccessKey };
}

/**
 * Synthesizes a service and runs it as `npm start` does, with a state directory of its own. Its log goes to
 * `.local/bench-<service>.log`.
 */
export async function startService(service: string, env = 'dev'): Promise<RunningService> {
  const stateDirectory = await mkdtemp(join(tmpdir(), 'steadysocket-bench-'));
  await mkdir(join(root, '.local'), { recursive: true });
  const logFile = join('.local', `bench-${service}.log`);
  const log = await open(join(root, logFile), 'w');
  const args = ['--service', service, '--env', env, '--port', '0', '--http-port', '0', '--state-dir', stateDirectory];
  const child = spawn(process.execPath, ['local/main.ts', ...args], { cwd: root, stdio: ['ignore', 'pipe', log.fd] });
  await log.close();
  // A benchmark that is interrupted leaves nothing behind; on Ctrl-C the terminal tells the service too.
  process.once('SIGTERM', () => {
    child.kill('SIGINT');
    process.exit(143);
  });
  const stop = async () => {
    child.kill('SIGINT');
    if (child.exitCode === null) await once(child, 'exit');
    await rm(stateDirectory, { recursive: true, force: true });
  };
  try {
    const developer = developerIn(await started(child, logFile));
    const endpoints = await readEndpoints(stateDirectory);
    if (!endpoints) throw new Error(`the service runs and tells no addresses: see ${logFile}`);
    return {
      ...endpoints,
      faults: await connectToFaults(stateDirectory),
      heartbeatIntervalMs: loadRunbook(service, join(root, 'runbooks')).settings.heartbeatIntervalSeconds * 1000,
      stateDirectory,
      developer,
      token: await clientTokens(stateDirectory),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
