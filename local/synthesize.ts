import { spawn } from 'node:child_process';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');

export interface SynthesisOptions {
  readonly service: string;
  readonly env: string;
  readonly anonymous: boolean;
  readonly runbooks?: string;
  readonly environments?: string;
  /** Directory that receives the cloud assembly. */
  readonly output: string;
}

/** The app could not be synthesized; the message is what it printed. */
export class SynthError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'SynthError';
  }
}

/**
 * Synthesizes as `cdk synth` does.
 * @throws SynthError
 */
export async function synthesize({ output, ...selection }: SynthesisOptions): Promise<void> {
  const { service, env, anonymous, runbooks, environments } = selection;
  const given = Object.entries({ service, env, runbooks, environments }).filter(([, value]) => value !== undefined);
  const context = given.map(([name, value]) => `${name}=${value}`).concat(anonymous ? ['anonymous=true'] : []);
  const child = spawn(
    join(root, 'node_modules', '.bin', 'cdk'),
    ['synth', '--quiet', '--no-notices', '--output', output, ...context.flatMap(pair => ['--context', pair])],
    { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (printed += chunk));
  const code = await new Promise<number | null>((resolve, reject) => child.on('close', resolve).on('error', reject));
  if (code !== 0) throw new SynthError(printed.trim());
}
