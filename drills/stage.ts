import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Runbook } from '../lib/runbook/runbook.ts';
import { systemClock } from '../local/clock.ts';
import { connectToFaults, type RemoteFaults } from '../local/faults/control-client.ts';
import { createMonitoringClock } from '../local/monitoring-clock.ts';
import { clientTokens } from '../local/tokens/client-tokens.ts';
import type { StageOptions, StageReport, StageRequest } from './stage-process.ts';

/**
 * When functions have started and clients have come, in real time: what starts cold is late, and with a large scale that is
 * minutes of silence, for which alarms would be right to fire.
 */
const alarmsAfterSeconds = 28;

const root = join(import.meta.dirname, '..');

/** Somebody was told something, at a monitoring time. */
export type Notification = Extract<StageReport, { kind: 'told' }>;

/** An environment that runs for a drill, in a process of its own. */
export interface Stage {
  readonly runbook: Runbook;
  readonly websocketUrl: string;
  readonly httpUrl: string;
  readonly awsUrl: string;
  readonly region: string;
  readonly stateDirectory: string;
  readonly developer: { readonly accessKeyId: string; readonly secretAccessKey: string };
  readonly faults: RemoteFaults;
  readonly heartbeatIntervalMs: number;
  /** How many times faster the monitoring plane runs. */
  readonly timeScale: number;
  readonly notifications: readonly Notification[];
  /** Monitoring time, epoch milliseconds. */
  now(): number;
  /** Monitoring time from which on there are alarms, epoch milliseconds. */
  readonly alarmsFrom: number;
  /** Resolves after so many minutes of monitoring time. */
  minutes(count: number): Promise<void>;
  /** For 2 h, for all channels; the same one each time a user asks. */
  token(user: string): Promise<string>;
  /** Deploys a function again, with something added to its bundle. @param called e.g. `message` */
  release(called: string, code: string): Promise<void>;
  /** Ends it and removes its state. Its log stays. */
  end(): Promise<void>;
}

export interface StartOptions {
  readonly runbook: Runbook;
  /** Directory of the cloud assembly. */
  readonly assembly: string;
  readonly timeScale: number;
  /** What its log's file is called, without ending. */
  readonly name: string;
}

/** What it tells, until it ends. @throws Error where it ends before it is ready */
function ready(child: ChildProcess, logFile: string): Promise<Extract<StageReport, { kind: 'ready' }>> {
  return new Promise((resolve, reject) => {
    child.on('message', (report: StageReport) => {
      if (report.kind === 'ready') resolve(report);
    });
    child.once('exit', code => reject(new Error(`the environment ended with ${code}; see ${logFile}`)));
  });
}

/** Runs a synthesized service on free ports. */
export async function startStage({ runbook, assembly, timeScale, name }: StartOptions): Promise<Stage> {
  const stateDirectory = await mkdtemp(join(tmpdir(), 'steadysocket-drill-'));
  await mkdir(join(root, '.local'), { recursive: true });
  const logFile = join(root, '.local', `drill-${name}.log`);
  const options: StageOptions = { assembly, stateDirectory, logFile, timeScale, alarmsAfterSeconds };
  const child = fork(join(import.meta.dirname, 'stage-process.ts'), [JSON.stringify(options)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const send = (request: StageRequest) => child.send(request);
  const end = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      const exited = once(child, 'exit');
      send({ kind: 'end' });
      await exited;
    }
    await rm(stateDirectory, { recursive: true, force: true });
  };
  try {
    const notifications: Notification[] = [];
    child.on('message', (report: StageReport) => {
      if (report.kind === 'told') notifications.push(report);
    });
    const { endpoints, developer } = await ready(child, logFile);
    const { start, scale } = endpoints.monitoring;
    const { now } = createMonitoringClock(scale, systemClock, start);
    const readyAt = now();
    let releases = 0;
    return {
      ...{ runbook, stateDirectory, developer, timeScale, notifications },
      websocketUrl: endpoints.websocketUrl,
      httpUrl: endpoints.httpUrl,
      awsUrl: endpoints.awsUrl,
      region: endpoints.region,
      faults: await connectToFaults(stateDirectory),
      heartbeatIntervalMs: runbook.settings.heartbeatIntervalSeconds * 1000,
      now,
      // The ready report comes after the start, so this is late rather than early.
      alarmsFrom: readyAt + alarmsAfterSeconds * 1_000 * timeScale,
      async minutes(count) {
        await sleep((count * 60_000) / timeScale);
      },
      token: await clientTokens(stateDirectory),
      async release(called, code) {
        releases += 1;
        const id = releases;
        const answered = new Promise<void>((resolve, reject) => {
          const hear = (report: StageReport) => {
            if (report.kind === 'failed') reject(new Error(report.message));
            else if (report.kind !== 'released' || report.id !== id) return;
            child.off('message', hear);
            resolve();
          };
          child.on('message', hear);
        });
        send({ kind: 'release', id, called, code });
        await answered;
      },
      end,
    };
  } catch (error) {
    await end();
    throw error;
  }
}
