import { EventEmitter, on, once } from 'node:events';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type LocalEnvironment, startEnvironment } from '../../local/environment.ts';
import { synthesize } from '../../local/synthesize.ts';
import { createIssuer, type TokenRequest } from '../../local/tokens/issuer.ts';

/** Changes the synthesized template, as a change of the CDK code would. */
export type TemplateChange = (template: Record<string, unknown>) => void;

export interface LocalService extends LocalEnvironment {
  readonly stateDirectory: string;
  /** What functions and the environment had to say: `level component: message fields`. */
  readonly log: readonly string[];
  /** The first line of the log with all these parts, written already or to come. */
  logged(...parts: string[]): Promise<string>;
  /** The next line that is written. */
  nextLine(): Promise<void>;
  token(request?: Partial<TokenRequest>): Promise<string>;
  /** Ends it and removes its state. */
  end(): Promise<void>;
}

export interface LocalServiceOptions {
  readonly service: string;
  readonly timeScale?: number;
  readonly change?: TemplateChange;
}

const assemblies = new Map<string, Promise<string>>();

/** The cloud assembly of a service, synthesized once for all tests of a file. */
function synthesized(service: string): Promise<string> {
  const kept = assemblies.get(service);
  if (kept) return kept;
  const assembly = mkdtemp(join(tmpdir(), 'steadysocket-cdk-')).then(async output => {
    await synthesize({ service, env: 'dev', anonymous: false, output });
    return output;
  });
  assemblies.set(service, assembly);
  return assembly;
}

afterAll(async () => {
  for (const assembly of assemblies.values()) await rm(await assembly, { recursive: true, force: true });
});

/** Synthesizes a service in dev as `cdk synth` would, and runs it on free ports with a state directory of its own. */
export async function startLocalService(options: LocalServiceOptions): Promise<LocalService> {
  const { service, timeScale = 1, change } = options;
  const directory = await mkdtemp(join(tmpdir(), 'steadysocket-'));
  const assembly = join(directory, 'cdk.out');
  await cp(await synthesized(service), assembly, { recursive: true });
  if (change) {
    const file = join(assembly, `${service}-dev-Realtime.template.json`);
    const template = JSON.parse(await readFile(file, 'utf8'));
    change(template);
    await writeFile(file, JSON.stringify(template));
  }
  const log: string[] = [];
  const lines = new EventEmitter();
  const environment = await startEnvironment({
    assembly,
    stateDirectory: directory,
    port: 0,
    httpPort: 0,
    awsPort: 0,
    tokensPort: 0,
    timeScale,
    fresh: false,
    log: (level, component, message, fields) => {
      const line = `${level} ${component}: ${message} ${JSON.stringify(fields)}`;
      log.push(line);
      lines.emit('line', line);
    },
  });
  const issuer = await createIssuer(directory);
  const { issuer: iss, audience } = JSON.parse(await readFile(join(directory, 'tokens', 'issuer.json'), 'utf8'));
  return {
    ...environment,
    stateDirectory: directory,
    log,
    async logged(...parts) {
      const matches = (line: string) => parts.every(part => line.includes(part));
      const written = log.find(matches);
      if (written !== undefined) return written;
      for await (const [line] of on(lines, 'line')) if (matches(line)) return line;
      throw new Error('the log ended');
    },
    async nextLine() {
      await once(lines, 'line');
    },
    token: request =>
      issuer.sign({
        user: 'alice',
        channels: { read: ['*'], write: ['*'] },
        expires: '1h',
        issuer: iss,
        audience,
        ...request,
      }),
    async end() {
      await environment.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
