import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type LocalEnvironment, startEnvironment } from '../../local/environment.ts';
import { synthesize } from '../../local/synthesize.ts';
import { createIssuer, type TokenRequest } from '../../local/tokens/issuer.ts';

/** Changes the synthesized template, as a change of the CDK code would. */
export type TemplateChange = (template: Record<string, unknown>) => void;

export interface LocalService extends LocalEnvironment {
  /** What functions and the environment had to say: `level component: message fields`. */
  readonly log: readonly string[];
  token(request?: Partial<TokenRequest>): Promise<string>;
  /** Ends it and removes its state. */
  end(): Promise<void>;
}

export interface LocalServiceOptions {
  readonly service: string;
  readonly anonymous?: boolean;
  readonly timeScale?: number;
  readonly change?: TemplateChange;
  readonly environments?: string;
}

/** Synthesizes a service in dev as `cdk synth` would, and runs it on free ports with a state directory of its own. */
export async function startLocalService(options: LocalServiceOptions): Promise<LocalService> {
  const { service, anonymous = false, timeScale = 1, change, environments } = options;
  const directory = await mkdtemp(join(tmpdir(), 'steadysocket-'));
  const assembly = join(directory, 'cdk.out');
  await synthesize({ service, env: 'dev', anonymous, output: assembly, ...(environments && { environments }) });
  if (change) {
    const file = join(assembly, `${service}-dev-Realtime.template.json`);
    const template = JSON.parse(await readFile(file, 'utf8'));
    change(template);
    await writeFile(file, JSON.stringify(template));
  }
  const log: string[] = [];
  const environment = await startEnvironment({
    assembly,
    stateDirectory: directory,
    port: 0,
    httpPort: 0,
    awsPort: 0,
    tokensPort: 0,
    timeScale,
    fresh: false,
    log: (level, component, message, fields) => log.push(`${level} ${component}: ${message} ${JSON.stringify(fields)}`),
  });
  const issuer = await createIssuer(directory);
  const { issuer: iss, audience } = JSON.parse(await readFile(join(directory, 'tokens', 'issuer.json'), 'utf8'));
  return {
    ...environment,
    log,
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
