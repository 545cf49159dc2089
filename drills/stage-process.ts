import { createWriteStream } from 'node:fs';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Endpoints } from '../local/endpoints.ts';
import { startEnvironment } from '../local/environment.ts';
import type { KeyPair } from '../local/iam/credentials.ts';
import { terminalLog } from '../local/log.ts';

/** The process in which a drill's environment runs: clients are in another, so that they do not share a thread with it. */
export interface StageOptions {
  readonly assembly: string;
  readonly stateDirectory: string;
  readonly logFile: string;
  readonly timeScale: number;
  /** Real time after which the alarms are there. */
  readonly alarmsAfterSeconds: number;
}

/** What the drill asks of it. */
export type StageRequest =
  | { readonly kind: 'end' }
  /** Deploys a function with something more in its code, as a release that changed it. */
  | { readonly kind: 'release'; readonly id: number; readonly called: string; readonly code: string };

/** What it tells. Times are monitoring time, epoch milliseconds. */
export type StageReport =
  | {
      readonly kind: 'ready';
      readonly endpoints: Endpoints;
      readonly developer: KeyPair;
    }
  | { readonly kind: 'told'; readonly at: number; readonly address: string; readonly subject: string }
  | { readonly kind: 'released'; readonly id: number }
  | { readonly kind: 'failed'; readonly message: string };

const options: StageOptions = JSON.parse(process.argv[2] ?? '{}');
const tell = (report: StageReport) => process.send?.(report);

const file = createWriteStream(options.logFile);
const write = terminalLog(line => file.write(line));

const environment = await startEnvironment({
  ...options,
  ...{ port: 0, httpPort: 0, awsPort: 0, tokensPort: 0, fresh: true },
  alarmDelayMs: options.alarmsAfterSeconds * 1_000 * options.timeScale,
  log(level, component, message, fields) {
    write(level, component, message, fields);
    // What SNS sends to a person: it ends at the border of this machine.
    if (component === 'sns' && typeof fields?.endpoint === 'string' && level === 'info')
      tell({
        kind: 'told',
        at: environment.clock.now(),
        address: fields.endpoint,
        subject: String(fields.subject ?? ''),
      });
  },
});

let releases = 0;
async function release(called: string, code: string): Promise<void> {
  const functionName = environment.functionNamed(called);
  if (functionName === undefined) throw new Error(`there is no function ${called}`);
  const deployed = environment.functions.deployed(functionName);
  const directory = join(options.stateDirectory, `release-${++releases}`);
  await cp(deployed.version().directory, directory, { recursive: true });
  const bundle = join(directory, 'index.js');
  await writeFile(bundle, `${await readFile(bundle, 'utf8')}\n${code}\n`);
  deployed.updateCode(directory);
  const { version } = deployed.publish();
  deployed.setAlias('live', version);
}

process.on('message', (request: StageRequest) => {
  if (request.kind === 'release') {
    release(request.called, request.code).then(
      () => tell({ kind: 'released', id: request.id }),
      (error: Error) => tell({ kind: 'failed', message: error.message }),
    );
    return;
  }
  environment.close().then(
    () => process.exit(0),
    error => {
      write('error', 'local', 'not closed cleanly', { error: String(error) });
      process.exit(1);
    },
  );
});
// Nobody is left to end it.
process.on('disconnect', () => process.exit(1));
// Ctrl-C comes to every process of the terminal; the drill says when it is over.
process.on('SIGINT', () => {});

tell({
  kind: 'ready',
  endpoints: environment.endpoints,
  developer: environment.developer,
});
