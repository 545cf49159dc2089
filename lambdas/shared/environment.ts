import {
  type Control,
  type ControlOptions,
  type ControlReader,
  controlKey,
  defaultControl,
  keptControl,
} from './control.ts';
import { itemOverOwnConnection } from './item-reader.ts';
import { logger } from './logger.ts';

/**
 * The control record as a function reads it: over a socket of its own, since it must be read most of all where the
 * environment's other sockets are what is broken.
 */
export const functionControl = (operationsTable: string, options: ControlOptions = {}): ControlReader =>
  keptControl(
    itemOverOwnConnection(operationsTable, controlKey),
    (message, error) => logger.error(message, error),
    options,
  );

/** What a function environment keeps from one invocation to the next: clients with their sockets, and caches. */
export interface Kept {
  /** Ends the sockets. Called when no invocation uses them any more. */
  end(): void | Promise<void>;
}

export interface EnvironmentOptions<K extends Kept> {
  readonly control: ControlReader;
  /**
   * When the control record is read. `first`: what is kept is that of the newest generation. `alongside`: nobody waits
   * longer for an answer than for the reading, and an invocation that begins before the reading ends may be the last one
   * with what is broken.
   */
  readonly reads: 'first' | 'alongside';
  /** Opens everything anew. Nothing else may hold on to what it returns, or what is dropped is no garbage. */
  readonly open: (control: Control) => K;
  /** Brings what is kept in line with the control record, each time that was read and the generation has not risen. */
  readonly adapt?: (kept: K, control: Control) => Promise<void>;
}

export interface Environment<K extends Kept> {
  /** Runs an invocation. When it settles, nothing is under way that was begun for it. */
  run<Answer>(invocation: (kept: K) => Promise<Answer>): Promise<Answer>;
}

/**
 * What a function environment keeps, opened anew when the control record's `generation` has risen (`restart-functions`): an
 * operator or an alarm asks for it where environments may hold on to something broken, or to too much.
 */
export function environmentOf<K extends Kept>(options: EnvironmentOptions<K>): Environment<K> {
  const { control, reads, open, adapt } = options;
  /** Of the first reading: what was opened a moment before it is not opened again for it. */
  let generation: number | undefined;
  let current = { kept: open(defaultControl), users: 0 };
  const endUnused = async (holder: typeof current) => {
    if (holder === current || holder.users > 0) return;
    try {
      await holder.kept.end();
    } catch (error) {
      logger.error('old clients not ended', error as Error);
    }
  };
  const renew = async () => {
    const now = await control.read();
    const risen = generation !== undefined && now.generation > generation;
    generation = Math.max(generation ?? now.generation, now.generation);
    if (!risen) {
      await adapt?.(current.kept, now);
      return;
    }
    const old = current;
    current = { kept: open(now), users: 0 };
    logger.info('clients and caches opened anew', { generation });
    await endUnused(old);
  };
  return {
    async run(invocation) {
      if (reads === 'first') await renew();
      const mine = current;
      mine.users += 1;
      const renewal = reads === 'alongside' ? renew() : undefined;
      try {
        return await invocation(mine.kept);
      } finally {
        await renewal;
        mine.users -= 1;
        await endUnused(mine);
      }
    },
  };
}
