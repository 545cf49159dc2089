import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findIncident } from '../../bin/incident/incidents.ts';
import { findTarget } from '../../bin/incident/target.ts';
import { SteadySocket } from '../../client/index.ts';
import { type LocalEnvironment, startEnvironment } from '../../local/environment.ts';
import { synthesize } from '../../local/synthesize.ts';
import { createIssuer } from '../../local/tokens/issuer.ts';
import { readIssuerClaims } from '../../local/tokens/server.ts';

jest.setTimeout(180_000);

const root = join(import.meta.dirname, '..', '..');
/** An alarm within two minutes of slow posts; a person is asked first. Three tries: a busy machine takes its time to catch up. */
const row =
  '| SlowDelivery | DeliveryLatency | p95 > 1 s for 2 of 3 min | P2 | [Messages wait](#messages-wait) | scale-delivery(to 4); tries 3; cooldown 0 min; after approval | | ours: test |';
const asked = '1. Which limit was met?\n2. Was everything undone?\n\nWrite it down.';

let directory: string;
let runbooks: string;
let environment: LocalEnvironment;
let socket: SteadySocket;
let publishing: NodeJS.Timeout;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'incident-'));
  runbooks = join(directory, 'runbooks');
  const assembly = join(directory, 'cdk.out');
  const template = await readFile(join(root, 'runbooks', 'template.md'), 'utf8');
  const runbook = template
    .replace('service: template', 'service: harbour')
    .replace(/^\| SlowDelivery .*$/m, row)
    // Of two connections, one of them the probe's, a drop says nothing.
    .replace(/^\| ConnectionDrop \| < .*\n/m, '')
    .replace(/(?<=^## After the incident\n\n)[^#]*(?=\n\n## )/m, asked);
  await mkdir(runbooks);
  await writeFile(join(runbooks, 'harbour.md'), runbook);
  await synthesize({ service: 'harbour', env: 'dev', anonymous: false, runbooks, output: assembly });
  environment = await startEnvironment({
    assembly,
    stateDirectory: directory,
    ...{ port: 0, httpPort: 0, awsPort: 0, tokensPort: 0 },
    // A minute is two seconds, and an approval that is not answered waits for one minute.
    timeScale: 30,
    fresh: false,
    log: () => {},
  });
  const claims = await readIssuerClaims(directory);
  const issuer = await createIssuer(directory);
  const token = () =>
    issuer.sign({
      ...claims,
      user: 'alice',
      channels: { read: ['*'], write: ['*'] },
      expires: '1h',
      algorithm: 'ES256',
    });
  socket = new SteadySocket({ url: environment.endpoints.websocketUrl, token, heartbeatIntervalMs: 30_000 });
  socket.subscribe('prices', { onMessage: () => {} });
  publishing = setInterval(() => void socket.publish('prices', { at: Date.now() }).catch(() => {}), 200);
}, 120_000);
afterAll(async () => {
  clearInterval(publishing);
  socket?.close();
  await environment?.close();
  await rm(directory, { recursive: true, force: true });
});

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly error: string;
}

/** Runs the command line as a person does. */
const incident = (...words: readonly string[]): Promise<Ran> =>
  new Promise(resolve => {
    const args = ['bin/incident.ts', '--state-dir', directory, '--runbooks', runbooks, '--as', 'ann', ...words];
    execFile(process.execPath, args, { cwd: root }, (error, out, stderr) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, out, error: stderr }),
    );
  });

/** What a command prints once it holds. */
async function once(holds: (out: string) => boolean, ...words: readonly string[]): Promise<string> {
  const deadline = Date.now() + 90_000;
  for (;;) {
    const { out, error } = await incident(...words);
    if (holds(out)) return out;
    if (Date.now() > deadline) throw new Error(`never: incident ${words.join(' ')}\n${out}${error}`);
    await sleep(500);
  }
}

const idIn = (list: string): string => /^SlowDelivery-\S+/m.exec(list)?.[0] ?? '';
const slow = () => environment.faults.inject({ fault: 'post-delay', delayMs: 1_500, share: 1 });

test('an incident from the first page to the post-mortem, as who is on call sees it', async () => {
  expect((await incident('list')).out).toBe('Nothing is open.\n');
  const dry = await incident('dry-run', 'scale-delivery', 'shards=4');
  expect(JSON.parse(dry.out)).toMatchObject({ changed: false, summary: expect.stringMatching(/^dry run: .* 4 parts/) });

  const fault = slow();
  const id = idIn(await once(out => out.includes('waits for approval: scale-delivery 4, try 1 of 3'), 'list'));
  const { out: waiting } = await incident('show', id);
  const command = `npm run incident -- --state-dir ${directory} --runbooks ${runbooks}`;
  // What waits for me, and how to answer it, before anything else.
  expect(waiting.split('\n').slice(0, 5)).toEqual([
    `${id}: SlowDelivery of harbour in dev: DeliveryLatency p95 > 1 s for 2 of 3 min`,
    '',
    expect.stringMatching(
      /^Waits for you: may scale-delivery 4, try 1 of 3 run\? No answer until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC is a no\.$/,
    ),
    `  ${command} approve ${id}`,
    `  ${command} reject ${id}`,
  ]);
  expect(waiting).toContain('Status     open: the automation works on it');
  expect(waiting).toContain('Runbook    https://runbooks.dev.example.com/harbour.md#messages-wait');
  expect(waiting).toContain(`Seen by    nobody; then nobody further is told: ${command} ack ${id}`);
  expect(waiting).toMatch(/^SlowDelivery +fires: DeliveryLatency p95 > 1 s for 2 of 3 min +\d+ (m?s) \(ALARM[^)]*\)$/m);
  expect(waiting).toMatch(/^ {2}\[ \] Nobody reports an open page that stands still$/m);
  expect(waiting).toMatch(/All tables answer within \d+ ms\./);
  const { approval } = await findIncident(await findTarget({ stateDir: directory }), id);
  expect(waiting).not.toContain(approval?.token);
  expect(Math.max(...waiting.split('\n').map(line => line.length))).toBeLessThan(200);

  expect((await incident('ack', id)).code).toBe(0);
  expect((await incident('approve', id)).code).toBe(0);
  const acting = await once(out => out.includes('To be undone when it is over'), 'show', id);
  expect(acting).toContain(`now: ${command} stop ${id}\n  scale-delivery: {"owner":"arn:`);
  expect(acting).toContain('ann approved scale-delivery 4, try 1 of 3');
  expect(acting).not.toContain('Waits for you');
  environment.faults.clear(fault.id);
  const over = await once(out => out.includes('Status     closed: '), 'show', id);
  expect(over).toMatch(/^SlowDelivery .* \(ALARM[^)]*\) +\d+ ms \(OK[^)]*\)$/m);
  expect(over).toMatch(/ action +undone: scale-delivery: shards and postParallelism are as they were before$/m);
  expect(over).not.toContain('To be undone');

  expect((await incident('confirm', id)).code).toBe(0);
  const { out: draft } = await incident('post-mortem', id);
  const section = (name: string) => draft.split(`\n## ${name}\n`)[1]?.split('\n## ')[0] ?? '';
  expect(section('Summary')).toMatch(
    /harbour-dev-SlowDelivery fired at .*, and it was over at .*, \d+\.\d min later\./,
  );
  expect(section('Detection and recovery')).toMatch(/\| alarm \| first page \(.*\) \| 0\.\d min \|/);
  // Minutes of the monitoring plane, as all the others.
  expect(section('Detection and recovery')).toMatch(/\| alarm \| seen by somebody \(.*\) \| \d+\.\d min \|/);
  expect(section('Detection and recovery')).toMatch(/\| alarm \| closed \(.*\) \| \d+\.\d min \|/);
  const kinds = [...section('Timeline').matchAll(/^\| \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \| (\w+) \|/gm)].map(
    ([, kind]) => kind,
  );
  expect([...new Set(kinds)].sort()).toEqual([
    'action',
    'alarm',
    'diagnosis',
    'page',
    'person',
    'values',
    'verification',
  ]);
  expect(section('Who was told')).toMatch(
    /at once, by the runbook: operator by Slack\n[\s\S]*told at once[\s\S]*seen by ann/,
  );
  expect(section('What was done')).toMatch(/runs scale-delivery 4[\s\S]*undone: scale-delivery/);
  expect(section('Figures before and after')).toMatch(
    /\| SlowDelivery \| fires: .* \(ALARM[^)]*\) \| \d+ ms \(OK[^)]*\) \|/,
  );
  expect(section('What people saw and did')).toContain('- [x] Nobody reports an open page that stands still (ann,');
  expect(section('After the incident')).toBe(
    '\n1. Which limit was met?\n\n   _Answer:_\n\n2. Was everything undone?\n\n   _Answer:_\n\nWrite it down.\n',
  );
  // Nothing was left open by this one.
  expect(section('Open actions').trim().split('\n').slice(2)).toEqual(['|  |  |  |']);
  expect((await incident('ack', id)).error).toContain(`${id} is closed`);
  expect((await incident('list', '--all')).out).toMatch(new RegExp(`^${id} +P2 +closed`, 'm'));
});

test('with the switch at off nothing is run, and people are told; who says no is heard', async () => {
  expect((await incident('switch', 'sometimes')).code).toBe(1);
  expect((await incident('switch', 'off')).code).toBe(0);
  const fault = slow();
  const id = idIn(await once(out => / escalated /.test(out), 'list'));
  const { out } = await incident('show', id);
  expect(out).toContain('Status     escalated: nothing automatic is left, people have it');
  expect(out).toContain('the switch is off: nothing is done by itself');
  const { out: draft } = await incident('post-mortem', id);
  expect(draft).toMatch(/fired at .*; it is not over\./);
  expect(draft).toContain(
    '| The remediation of harbour-dev-SlowDelivery did not end it: change its row, or its procedure |',
  );
  expect(draft).toContain('| Find out and confirm: Nobody reports an open page that stands still |');
  expect((await incident('switch', 'automatic')).code).toBe(0);
  environment.faults.clear(fault.id);
  await once(list => list.includes('Nothing is open.'), 'list');

  const again = slow();
  const other = idIn(await once(list => list.includes('waits for approval'), 'list'));
  expect((await incident('reject', other)).code).toBe(0);
  expect(await once(shown => shown.includes('ann rejected'), 'show', other)).not.toContain('runs scale-delivery');
  expect((await incident('approve', other)).error).toContain(`${other} waits for no approval`);
  environment.faults.clear(again.id);
});

test('what cannot be done is said in a line', async () => {
  expect(await incident('show', 'Nothing')).toMatchObject({
    code: 1,
    error: 'incident: there is no incident Nothing; npm run incident -- list --all\n',
  });
  expect((await incident('dry-run', 'make-coffee')).error).toBe(
    'incident: there is no playbook make-coffee of harbour in dev\n',
  );
  expect((await incident('--service', 'harbour', 'list')).error).toContain('give --service and --env, or neither');
});
