import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Resource } from '../../../local/assembly/resource.ts';
import { catalogue } from '../../../local/faults/catalogue.ts';
import { createFaultCommand } from '../../../local/faults/command.ts';
import { connectToFaults } from '../../../local/faults/control-client.ts';
import { controlFile, type FaultControl, startFaultControl } from '../../../local/faults/control-server.ts';
import { createFaults, type Faults } from '../../../local/faults/faults.ts';

jest.setTimeout(30_000);

const root = join(__dirname, '../../..');
const resource = (type: string, logicalId: string): Resource => ({
  stack: 's',
  logicalId,
  type,
  physicalId: `s-${logicalId}`,
  attributes: {},
  properties: {},
});
const resources = [
  resource('AWS::Lambda::Function', 'FanOutFunctionC517A95D'),
  resource('AWS::Lambda::Function', 'MessageFunction5E234045'),
  resource('AWS::Lambda::Function', 'AuthorizerFunctionB4DBAA43'),
  resource('AWS::DynamoDB::Table', 'TablesConnectionsF6D675B1'),
  resource('AWS::DynamoDB::Table', 'TablesMessages5F3A57D1'),
  resource('AWS::SQS::Queue', 'PublicationsQueue13D95AD0'),
];
let stateDirectory: string;
let faults: Faults;
let control: FaultControl | undefined;

beforeEach(async () => {
  stateDirectory = await mkdtemp(join(tmpdir(), 'faults-'));
  faults = createFaults({ resources, log: () => {} });
  control = await startFaultControl(faults, stateDirectory);
});
afterEach(async () => {
  faults.close();
  await control?.close();
  control = undefined;
  await rm(stateDirectory, { recursive: true });
});

/** Runs the command as `npm run fault` does. */
async function fault(...options: string[]): Promise<{ stdout: string; stderr: string; code: number }> {
  const node = join(root, 'node_modules/.bin/node');
  const line = [
    'local/faults/main.ts',
    ...options,
    ...(options.includes('--help') ? [] : ['--state-dir', stateDirectory]),
  ];
  try {
    return { ...(await promisify(execFile)(node, line, { cwd: root })), code: 0 };
  } catch (error) {
    return error as { stdout: string; stderr: string; code: number };
  }
}

/** Runs the command in this process; what it prints. */
async function printed(...options: string[]): Promise<string> {
  const lines: string[] = [];
  const command = createFaultCommand({ connect: connectToFaults, print: text => lines.push(text) });
  await command.parseAsync([...options, '--state-dir', stateDirectory], { from: 'user' });
  return lines.join('\n');
}

test('the command injects', async () => {
  const { stdout } = await fault(
    'function-error',
    '--function',
    'fan-out',
    '--share',
    '20%',
    '--seed',
    '7',
    '--for',
    '60',
  );
  expect(stdout).toMatch(
    /^1 {2}function-error --function fan-out --error-type Error --error-message a fault was injected --share 0.2 --seed 7 {3}\(happened to 0 of 0, 60 s left\)\n$/,
  );
  expect(faults.list()).toMatchObject([{ fault: 'function-error', share: 0.2, parameters: { function: 'fan-out' } }]);
});

test('it lists and clears', async () => {
  await printed('function-error', '--function', 'fan-out');
  await printed('stale-reads', '--lag-ms', '5000');
  expect((await printed('list')).split('\n')).toEqual([
    expect.stringContaining('1  function-error'),
    expect.stringMatching(/^2 {2}stale-reads --lag-ms 5000 --share 1 --seed [0-9a-f]{8} {3}\(happened to 0 of 0\)$/),
  ]);
  expect(await printed('clear', '1')).toBe('1 ended');
  expect(faults.list()).toMatchObject([{ fault: 'stale-reads' }]);
  expect(await printed('clear')).toBe('all ended');
  expect(await printed('list')).toBe('no faults');
});

test.each([
  [['function-error', '--function', 'fan'], 'function: "fan"; expected one of authorizer, fan-out, message\n'],
  [
    ['function-error', '--share', 'half'],
    "error: option '--share <number>' argument 'half' is invalid. expected a number.\n",
  ],
  [['function-latency'], "error: required option '--delay-ms <number>' not specified\n"],
  [['function-eror'], "error: unknown command 'function-eror'\n(Did you mean function-error?)\n"],
])('%j is told to be wrong', async (options, message) => {
  expect(await fault(...options)).toMatchObject({ code: 1, stdout: '', stderr: message });
});

test('the help of a fault shows what it does and takes', async () => {
  const { stdout } = await fault('post-refusal', '--help');
  expect(stdout).toContain(catalogue['post-refusal'].summary.slice(0, 40));
  for (const option of ['--status <number>', '--of <text>', '--share <number>', '--for <number>', '--times <number>']) {
    expect(stdout).toContain(option);
  }
});

test('a refusal of the environment is told as it is', async () => {
  await expect(printed('function-error', '--share', '3')).rejects.toThrow('share: 3; expected a number over 0 and up');
  await expect(printed('clear', '9')).rejects.toThrow('id: "9"; expected none: there is no fault');
});

test('where no environment runs, it says so', async () => {
  const address = await readFile(controlFile(stateDirectory), 'utf8');
  await control?.close();
  control = undefined;
  expect(await fault('list')).toMatchObject({
    code: 1,
    stderr: `no environment runs with the state directory '${stateDirectory}': npm start\n`,
  });
  // One that ended without removing its address.
  await writeFile(controlFile(stateDirectory), address);
  await expect(connectToFaults(stateDirectory).then(remote => remote.list())).rejects.toThrow('no environment runs');
});

test('only who can read the state directory can inject', async () => {
  expect((await stat(controlFile(stateDirectory))).mode & 0o777).toBe(0o600);
  const { url, secret } = JSON.parse(await readFile(controlFile(stateDirectory), 'utf8'));
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  const status = async (authorization?: string, method = 'POST', body: string | null = '{"fault":"socket-kill"}') => {
    const headers = authorization === undefined ? {} : { authorization };
    return (await fetch(`${url}/faults`, { method, body, headers })).status;
  };
  expect(await status()).toBe(401);
  expect(await status(`Bearer ${secret.slice(1)}x`)).toBe(401);
  expect(await status(`Bearer ${secret}`)).toBe(201);
  expect(await status(`Bearer ${secret}`, 'POST', '{')).toBe(400);
  expect(await status(`Bearer ${secret}`, 'POST', '{}')).toBe(400);
  expect(await status(`Bearer ${secret}`, 'POST', `{"fault":"${'x'.repeat(70_000)}"}`)).toBe(400);
  expect(await status(`Bearer ${secret}`, 'PUT', '{}')).toBe(405);
});

describe('the page about faults', () => {
  let page: string;
  beforeAll(async () => {
    page = await readFile(join(root, 'docs/faults.md'), 'utf8');
  });

  test.each(Object.entries(catalogue))('tells what %s does, with an example that works', async (name, definition) => {
    const row = `| \`${name}\` | ${definition.summary} | \`${definition.example}\` |`;
    expect(page.replace(/ +/g, ' ')).toContain(row.replace(/ +/g, ' '));
    expect(await printed(name, ...definition.example.split(' '))).toMatch(new RegExp(`^1  ${name} `));
  });

  test('names no other', () => {
    const named = [...page.matchAll(/^\| `([a-z-]+)` /gm)].map(([, name]) => name);
    expect(named.sort()).toEqual(Object.keys(catalogue).sort());
  });
});
