import type { Callback } from './callback.ts';
import type { Connection, Ending } from './connections.ts';
import { forget, type Presence } from './presence.ts';

export interface EndingDependencies {
  readonly presence: Presence;
  readonly callback: Pick<Callback, 'close'>;
}

export type EndResult =
  | 'closed'
  /** It was closed before, and its `$disconnect` had not come: this is what it was. */
  | { readonly forgotten: Connection }
  /** It went by itself meanwhile, or a heartbeat came. */
  | 'spared';

/**
 * Closes a connection that is marked for it first, so that its `$disconnect` tells why.
 * @param lastSeenAt where given: only unless a heartbeat has come since
 * @throws Error where the gateway or the store refuses
 */
export async function endConnection(
  connectionId: string,
  ending: Ending,
  { presence, callback }: EndingDependencies,
  lastSeenAt?: number,
): Promise<EndResult> {
  if (!(await presence.connections.markEnding(connectionId, ending, lastSeenAt))) return 'spared';
  if ((await callback.close(connectionId)) === 'closed') return 'closed';
  // Its `$disconnect` never came, or is on its way: whoever removes it first does.
  const connection = await forget(connectionId, presence);
  return connection ? { forgotten: connection } : 'spared';
}

/**
 * Closes a second at most: clients that are closed come back, and API Gateway admits 500 new connections a second
 * ("Quotas for configuring and running a WebSocket API"), some of which others need.
 */
export const closesPerSecond = 380;

/**
 * More silent connections than this share at once are not many dead clients but one fault of ours: nobody is evicted.
 * Below the floor a share says nothing.
 */
const massSilenceShare = 0.05;
const massSilenceFloor = 20;

/** Whether so many fell silent together that it cannot be their own doing. */
export const isMassSilence = (silent: number, connections: number): boolean =>
  silent > massSilenceFloor && silent > massSilenceShare * connections;

/** Fewer say nothing about whether heartbeats are written. */
const speakingFloor = 20;
/** Of what it would be if each heartbeat were written. */
const heardShare = 0.9;

/**
 * Whether heartbeats are written for sure: those who are not silent are heard as often as they should be. Had everybody's
 * heartbeats been lost since the first of the silent fell silent, nobody would have been.
 * @param latelyShare of those who speak, how many should be
 */
export const areOthersHeard = (
  { speaking, heardLately }: { readonly speaking: number; readonly heardLately: number },
  latelyShare: number,
): boolean => speaking >= speakingFloor && heardLately >= heardShare * latelyShare * speaking;
