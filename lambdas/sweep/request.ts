import { z } from 'zod';

const totals = z.object({
  /** Connections read. */
  seen: z.number().default(0),
  notified: z.number().default(0),
  closed: z.number().default(0),
  /** Gone without a word, and forgotten. */
  forgotten: z.number().default(0),
  /** The gateway or the store refused; logged one by one. */
  failed: z.number().default(0),
});
export type Totals = z.infer<typeof totals>;

const common = {
  /** Tells what would be done, and does nothing. */
  dryRun: z.boolean().default(false),
  /** The last answer's; absent at first. */
  cursor: z.string().optional(),
  /** The last answer's; absent at first. */
  totals: totals.prefault({}),
};

/** What a page is asked for. A state machine gives each answer to the next page until `done`. */
export const sweepRequest = z.discriminatedUnion('mode', [
  /** Sends a notice to everybody. */
  z.object({
    ...common,
    mode: z.literal('notify'),
    notice: z.enum(['server_shutdown', 'reconnect', 'refresh', 'system']),
    message: z.string().min(1).max(1_000).optional(),
    /** From the first page on: clients spread what they do over what is left of it. */
    windowSeconds: z.number().positive().max(7_200),
    /** The last answer's, epoch milliseconds: when the window ends. */
    deadline: z.number().optional(),
  }),
  /** Closes whoever is still there of those that were before `startedAt`. */
  z.object({
    ...common,
    mode: z.literal('drain'),
    /** The last answer's, epoch milliseconds; at first the time of the first page. Who comes later stays. */
    startedAt: z.number().optional(),
  }),
  /** Closes those whose heartbeat stopped, and asks the gateway for those that nothing tells of. */
  z.object({ ...common, mode: z.literal('evict') }),
]);
export type SweepRequest = z.infer<typeof sweepRequest>;

export type SweepAnswer = SweepRequest & {
  readonly done: boolean;
  /** Why nothing is done. */
  readonly refused?: 'presence_degraded' | 'not_watched_or_mass_silence';
};
