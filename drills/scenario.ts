import type { Audience } from '../bench/audience.ts';
import type { AlarmRow, Runbook } from '../lib/runbook/runbook.ts';
import type { Change } from './copy.ts';
import type { Stage } from './stage.ts';

/** What a fault happens to. */
export interface Setting {
  readonly stage: Stage;
  /** Clients of the service's own library, and a publisher; what they miss is counted. */
  readonly audience: Audience;
  /** Whoever publishes to the audience falls silent, until the returned function is called. */
  silencePublisher(): () => void;
}

/** Ends what was begun: load stops, a fault is lifted. Only ever called once the outcome is known, or none is to come. */
export type Lift = () => Promise<void>;

/** How an alarm is brought about. */
export interface Scenario {
  /** What goes wrong, as one would tell a colleague. */
  readonly fault: string;
  /** What a drill copy of the runbook has otherwise: figures that this machine cannot carry are divided. */
  readonly changes?: readonly Change[];
  /** Clients, in how many channels; messages a second to all channels together. */
  readonly audience?: { readonly clients?: number; readonly rooms?: number; readonly perSecond?: number };
  /** How many times faster the monitoring plane runs at most: what has to happen in real time takes so much of its time. */
  readonly timeScale?: number;
  /** Minutes without a fault before it, of monitoring time, where more than usual are needed: a band is learned of them. */
  readonly calmMinutes?: number;
  /** What goes on from the beginning, fault or not, until the drill ends. */
  background?(stage: Stage): Lift;
  /** Begins the fault. Nothing in it may end by itself. */
  begin(setting: Setting): Promise<Lift>;
}

/** How a signal is brought to the threshold of an alarm. */
export type ScenarioOf = (row: AlarmRow, runbook: Runbook) => Scenario;
