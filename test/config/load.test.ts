import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { loadEnvironment } from '../../lib/config/load.ts';

const qa = {
  name: 'qa',
  region: 'eu-north-1',
  tokens: { issuer: 'https://login.test/', audience: 'api', jwksUrl: 'https://login.test/jwks.json' },
  allowedOrigins: ['https://app.test'],
  runbookBaseUrl: 'https://runbooks.test',
  removalPolicy: 'destroy',
  anonymous: false,
  contacts: { cto: { email: 'cto@example.test' } },
  limits: { maxConnectionsPerUser: 7 },
};

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'environments-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

test.each(['dev', 'staging', 'prod'])('%s is one of the project’s own', async name => {
  await expect(loadEnvironment(name)).resolves.toMatchObject({ name, anonymous: false });
});

test('a wrong name is answered with the right ones', async () => {
  await expect(loadEnvironment('prd')).rejects.toThrow(
    'environments: no environment `prd`; expected one of dev, staging, prod (did you mean prod?)',
  );
});

test.each([
  ['environments.ts', `const all: unknown[] = [${JSON.stringify(qa)}];\nexport default all;\n`],
  ['environments.js', `module.exports = { default: [${JSON.stringify(qa)}], __esModule: true };\n`],
  ['environments.json', JSON.stringify([qa])],
  ['environments.yaml', `- ${JSON.stringify(qa)}\n`],
])('a user’s %s takes the place of the project’s own', async (name, text) => {
  const path = file(name, text);
  await expect(loadEnvironment('qa', path)).resolves.toEqual(qa);
  await expect(loadEnvironment('prod', path)).rejects.toThrow(`${path}: no environment \`prod\`; expected one of qa`);
});

test('Node itself loads modules of every kind, from a directory with any name', async () => {
  const odd = join(directory, 'a #1 %41 dir');
  mkdirSync(odd);
  const text = `export default [${JSON.stringify(qa)}];\n`;
  for (const name of ['environments.ts', 'environments.mjs']) writeFileSync(join(odd, name), text);
  const script = `
    const { loadEnvironment } = await import(${JSON.stringify(pathToFileURL(join(__dirname, '../../lib/config/load.ts')).href)});
    for (const file of ['environments.ts', './environments.mjs']) console.log((await loadEnvironment('qa', file)).region);
  `;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script], {
    cwd: odd,
  });
  expect(stdout).toBe('eu-north-1\neu-north-1\n');
});

test('a file that is not there, or no module, is named', async () => {
  const missing = join(directory, 'missing.ts');
  await expect(loadEnvironment('qa', missing)).rejects.toThrow(`${missing}: cannot be loaded: `);
  const broken = file('broken.json', '[{');
  await expect(loadEnvironment('qa', broken)).rejects.toThrow(`${broken}: cannot be loaded: `);
});

test('a module without a default export, and mistakes in it, are reported with the file', async () => {
  const without = file('without.ts', `export const environments = [];\n`);
  await expect(loadEnvironment('qa', without)).rejects.toThrow(`${without}: missing; expected a list of environments`);
  const wrong = file('wrong.ts', `export default [${JSON.stringify({ ...qa, anonymous: true, region: 'north' })}];\n`);
  await expect(loadEnvironment('qa', wrong)).rejects.toThrow(
    `${wrong}: qa.region: read "north"; expected an AWS Region such as \`eu-central-1\`\n` +
      `${wrong}: qa.anonymous: read true; expected false: only \`dev\` may admit clients without a token`,
  );
});
