import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

jest.setTimeout(60_000);

const root = join(import.meta.dirname, '../..');

/** What the examples leave to the reader. */
const application = `
declare function showState(state: 'connecting' | 'open' | 'waiting' | 'closed'): void;
declare function tellTheUser(notice: string, message?: string): void;
declare function fetchStateAnew(): void;
declare function show(data: unknown): void;
declare function showPrice(data: unknown): void;
declare function explain(code: string): void;
declare function askTheUser(id: string): void;
declare const localStorage: Record<string, any>;
declare const sensor: { on(event: 'value', listener: (value: number) => void): void };
`;

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'steadysocket-readme-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

/** @returns what the compiler has to say, empty if nothing */
async function compile(code: string): Promise<string> {
  await writeFile(join(directory, 'package.json'), '{"type":"module"}');
  await writeFile(join(directory, 'example.ts'), code);
  const compilerOptions = {
    typeRoots: [join(root, 'node_modules/@types')],
    types: ['node'],
    noUnusedLocals: false,
    noUnusedParameters: false,
  };
  const config = { extends: join(root, 'tsconfig.json'), compilerOptions, include: ['example.ts'] };
  await writeFile(join(directory, 'tsconfig.json'), JSON.stringify(config));
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  return promisify(execFile)(process.execPath, [tsc, '-p', directory]).then(
    () => '',
    (error: { stdout: string }) => error.stdout,
  );
}

async function examples(): Promise<string> {
  const text = await readFile(join(root, 'client/README.md'), 'utf8');
  const blocks = [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code]) => code);
  expect(blocks.length).toBeGreaterThan(5);
  return application + blocks.join('\n').replaceAll('./client/index.ts', join(root, 'client/index.ts'));
}

it('has examples that compile', async () => {
  expect(await compile(await examples())).toBe('');
});

it('would show one that does not', async () => {
  const mistaken = (await examples()).replace('error.code', 'error.cod');
  expect(await compile(mistaken)).toContain("'cod' does not exist");
});
