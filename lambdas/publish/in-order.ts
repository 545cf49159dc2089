import { Refusal } from '../shared/protocol.ts';
import { type Admitted, enqueue, type PublicationQueue, unavailable } from '../shared/publication.ts';

/** What became of the messages of a request, in its order: the first of them are accepted, none after one that is not. */
export interface Outcome {
  readonly accepted: readonly { readonly id: string; readonly cursor: string }[];
  /** Why the next one, and all after it, were not; undefined where all are accepted. */
  readonly refusal: Refusal | undefined;
}

/**
 * Publishes one after the other, and nothing after one that failed: SendMessageBatch can take the second message and
 * refuse the first, which would then come after it.
 * @param turn awaited before each; throws Refusal where a message may not go yet
 * @param signal ends the attempt: what is not accepted by then is refused
 */
export async function publishInOrder(
  messages: readonly Admitted[],
  queue: PublicationQueue,
  signal: AbortSignal,
  turn: (message: Admitted) => Promise<void>,
): Promise<Outcome> {
  const accepted: { id: string; cursor: string }[] = [];
  for (const message of messages) {
    try {
      await inTime(turn(message), signal);
      accepted.push({ id: message.publication.id, cursor: await enqueue(message, queue, signal) });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return { accepted, refusal: error };
    }
  }
  return { accepted, refusal: undefined };
}

/** @throws Refusal `unavailable` where the work is not done in time: a store that is silent must not hold a publisher up */
function inTime(work: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const giveUp = () => reject(unavailable(signal.reason));
    if (signal.aborted) giveUp();
    signal.addEventListener('abort', giveUp, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', giveUp));
  });
}
