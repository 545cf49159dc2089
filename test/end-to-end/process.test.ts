import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { TestClient } from './client.ts';

jest.setTimeout(120_000);

const root = join(import.meta.dirname, '..', '..');
const run = promisify(execFile);

interface Started {
  readonly process: ChildProcess;
  readonly endpoints: { websocketUrl: string; httpUrl: string; jwksUrl: string; pid: number };
  readonly output: () => string;
}

const directories: string[] = [];
const running = new Set<ChildProcess>();

async function stateDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'steadysocket-'));
  directories.push(directory);
  return directory;
}

function launch(...options: string[]): { process: ChildProcess; output: () => string } {
  const child = spawn('npm', ['start', '--', ...options], { cwd: root, detached: true });
  running.add(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (output += chunk));
  return { process: child, output: () => output };
}

/** Starts as a user would, and waits until it says that it is ready. */
async function start(state: string, ...options: string[]): Promise<Started> {
  const { process, output } = launch('--port', '0', '--http-port', '0', '--state-dir', state, ...options);
  await new Promise<void>((resolve, reject) => {
    process.stdout?.on('data', () => output().includes('Ctrl-C') && resolve());
    process.once('exit', code => reject(new Error(`ended with ${code}: ${output()}`)));
  });
  return { process, output, endpoints: JSON.parse(await readFile(join(state, 'endpoints.json'), 'utf8')) };
}

/**
 * Ctrl-C: the terminal sends SIGINT to the whole process group, npm and its shell included, whose end says nothing of
 * ours. Returns the last line that was printed.
 */
async function interrupt({ process: child, output }: Started): Promise<string | undefined> {
  const ended = once(child, 'close');
  if (child.pid) process.kill(-child.pid, 'SIGINT');
  await ended;
  running.delete(child);
  return output().trimEnd().split('\n').at(-1);
}

async function token(state: string, user: string, ...options: string[]): Promise<string> {
  const { stdout } = await run('npm', ['run', '-s', 'token', '--', '--user', user, '--state-dir', state, ...options], {
    cwd: root,
  });
  return stdout.trim();
}

afterEach(async () => {
  for (const child of running) if (child.pid && child.exitCode === null) process.kill(-child.pid, 'SIGKILL');
  running.clear();
  await Promise.all(directories.splice(0).map(directory => rm(directory, { recursive: true, force: true })));
});

describe('npm start', () => {
  it('ends cleanly on Ctrl-C, keeps its state over a restart, and drops it with --fresh', async () => {
    const state = await stateDirectory();
    const first = await start(state);
    const client = await TestClient.connect(first.endpoints.websocketUrl, await token(state, 'alice'));
    await client.ask({ action: 'subscribe', channel: 'room:1' });
    const { cursor } = await client.ask({ action: 'publish', channel: 'room:1', id: 'm1', data: 'kept' });
    await client.frame({ type: 'message', id: 'm1' });
    const closed = client.closed();
    expect(await interrupt(first)).toBe('closed.');
    expect((await closed).code).toBe(1001);
    await expect(access(join(state, 'endpoints.json'))).rejects.toThrow();
    await expect(fetch(first.endpoints.jwksUrl)).rejects.toThrow();

    const second = await start(state);
    // The key of the issuer is kept too: a token of before is good.
    const back = await TestClient.connect(second.endpoints.websocketUrl, await token(state, 'alice'));
    expect(await back.ask({ action: 'subscribe', channel: 'room:1', since: cursor })).toMatchObject({
      cursor,
      recovered: true,
    });
    // Its connection of before the restart is gone.
    expect((await back.ask({ action: 'presence', channel: 'room:1' })).members).toHaveLength(1);
    const next = await back.ask({ action: 'publish', channel: 'room:1', id: 'm2', data: 'next' });
    expect(String(next.cursor) > String(cursor)).toBe(true);
    expect(await back.frame({ type: 'message', id: 'm2' })).toMatchObject({ previous: cursor });
    expect(await interrupt(second)).toBe('closed.');

    const third = await start(state, '--fresh');
    const anew = await TestClient.connect(third.endpoints.websocketUrl, await token(state, 'alice'));
    expect(await anew.ask({ action: 'subscribe', channel: 'room:1' })).toMatchObject({ cursor: '0'.repeat(39) });
    expect(await interrupt(third)).toBe('closed.');
  });

  it('runs beside a second instance of another service, and refuses a state directory that is in use', async () => {
    const [one, two] = await Promise.all([stateDirectory(), stateDirectory()]);
    const [first, second] = await Promise.all([start(one, '--service', 'dojopool', '--anonymous'), start(two)]);
    const [here, there] = await Promise.all([
      TestClient.connect(first.endpoints.websocketUrl),
      TestClient.connect(second.endpoints.websocketUrl, await token(two, 'bob', '--channels', 'room:*,world')),
    ]);
    await here.ask({ action: 'subscribe', channel: 'world' });
    await there.ask({ action: 'subscribe', channel: 'world' });
    await there.ask({ action: 'publish', channel: 'world', id: 'm', data: 1 });
    await there.frame({ type: 'message', id: 'm' });
    expect(here.messages('world')).toEqual([]);
    expect(await there.ask({ action: 'subscribe', channel: 'secret' })).toMatchObject({ code: 'forbidden_channel' });
    const third = launch('--state-dir', one, '--port', '0', '--http-port', '0');
    expect((await once(third.process, 'exit'))[0]).toBe(1);
    expect(third.output()).toContain(`is in use by process ${first.endpoints.pid}`);
    expect(await Promise.all([interrupt(first), interrupt(second)])).toEqual(['closed.', 'closed.']);
  });

  it.each([
    [['--service', 'matchbok'], /archon, chat-backend, dojopool, matchbook, vitalstream.*did you mean matchbook/],
    [['--env', 'production'], /dev, staging, prod/],
    [['--env', 'prod', '--anonymous'], /anonymous clients are for the environment dev/],
  ])('with %j says what is wrong and ends with 1', async (options, message) => {
    const { process: child, output } = launch('--state-dir', await stateDirectory(), ...options);
    expect((await once(child, 'exit'))[0]).toBe(1);
    expect(output()).toMatch(message);
  });
});

describe('npm run token', () => {
  it('says that nothing was started where there is no state', async () => {
    const state = await stateDirectory();
    await expect(token(state, 'alice')).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining('npm start'),
    });
  });
});
