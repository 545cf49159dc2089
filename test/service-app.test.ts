import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

jest.setTimeout(60_000);

const root = join(import.meta.dirname, '..');
const run = promisify(execFile);

/** Runs the CDK app as `cdk synth` does, with a context of its own. */
const app = (context: Record<string, string>, outdir: string) =>
  run(process.execPath, ['bin/app.ts'], {
    cwd: root,
    env: {
      ...process.env,
      CDK_OUTDIR: outdir,
      CDK_CONTEXT_JSON: JSON.stringify({ ...context, 'aws:cdk:bundling-stacks': [] }),
    },
  });

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'steadysocket-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

describe('the app', () => {
  it('synthesizes a user’s own runbook for a user’s own environment', async () => {
    const runbooks = join(directory, 'runbooks');
    await cp(join(root, 'runbooks', 'archon.md'), join(runbooks, 'trading.md'), { recursive: true });
    const text = await readFile(join(runbooks, 'trading.md'), 'utf8');
    await writeFile(join(runbooks, 'trading.md'), text.replace('service: archon', 'service: trading'));
    const environments = join(directory, 'environments.yaml');
    await writeFile(
      environments,
      `- name: blue
  region: us-east-2
  tokens: { issuer: https://id.example.org/, audience: trading, jwksUrl: https://id.example.org/keys }
  allowedOrigins: [https://trading.example.org]
  runbookBaseUrl: https://runbooks.example.org
  removalPolicy: retain
  anonymous: false
  contacts:
    operator: { slack: trading@slack.example.org, pagerduty: https://events.pagerduty.example.org/trading }
    team-lead: { slack: trading@slack.example.org, phone: '+12025550100' }
    cto: { email: cto@example.org, phone: '+12025550101' }
  limits: {}
`,
    );
    const out = join(directory, 'cdk.out');
    await app({ service: 'trading', env: 'blue', runbooks, environments }, out);
    const manifest = JSON.parse(await readFile(join(out, 'manifest.json'), 'utf8'));
    expect(manifest.artifacts['trading-blue-Realtime'].environment).toBe('aws://unknown-account/us-east-2');
  });

  it('stops at a broken runbook with every mistake and its place, and without a stack trace', async () => {
    const text = await readFile(join(root, 'runbooks', 'archon.md'), 'utf8');
    const broken = text
      .replace(/\| Heartbeat interval \| 30 s \|/, '| Heartbeat interval | 30 parsecs |')
      .replace(/^owner: .*$/m, 'ownr: someone');
    await writeFile(join(directory, 'archon.md'), broken);
    const lineOf = (part: string) => broken.split('\n').findIndex(line => line.includes(part)) + 1;
    const failed = await app({ service: 'archon', env: 'dev', runbooks: directory }, join(directory, 'out')).catch(
      (error: { code: number; stderr: string }) => error,
    );
    if (!('code' in failed)) throw new Error('a broken runbook was taken');
    expect(failed.code).toBe(1);
    expect(failed.stderr).toContain(`archon.md:${lineOf('ownr')}:1: `);
    expect(failed.stderr).toMatch(new RegExp(`archon.md:${lineOf('30 parsecs')}:\\d+: .*30 parsecs`));
    expect(failed.stderr).not.toContain('    at ');
  });

  it.each([
    [{}, /service=SERVICE.*archon, chat-backend, dojopool, matchbook, vitalstream/],
    [{ service: 'archn', env: 'dev' }, /archon, chat-backend, dojopool, matchbook, vitalstream.*did you mean archon/],
    [{ service: 'archon', env: 'stagng' }, /dev, staging, prod.*did you mean staging/],
    [{ service: 'archon', env: 'staging', anonymous: 'true' }, /anonymous/],
  ])('with the context %j says which names there are', async (context, message) => {
    await expect(app(context as Record<string, string>, join(directory, 'out'))).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(message),
    });
  });
});
