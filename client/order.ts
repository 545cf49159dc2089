import type { Cursor, PlacedFrame, SubscribedFrame } from './frames.ts';

/** What a channel's messages and answers go to, from any connection. It outlives connections, and may be fed by two at a time. */
export interface Order {
  /** Where to ask from; undefined until the first answer. */
  readonly cursor: Cursor | undefined;
  /** Position for the application to keep; undefined until the first answer. */
  readonly kept: Cursor | undefined;
  /** Whether something is known to be missing. */
  readonly behind: boolean;
  /** Whether the newest is enough. */
  readonly latestOnly: boolean;
  /** Takes a message, live or replayed, in any order and as often as it comes. */
  receive(frame: PlacedFrame): void;
  /**
   * Takes the answer to a subscription.
   * @param since what was asked for
   * @returns whether the answer is about a position that was left meanwhile, so that the question must be asked anew
   */
  subscribed(since: Cursor | undefined, answer: Pick<SubscribedFrame, 'cursor' | 'recovered' | 'more'>): boolean;
  /** Nothing is delivered from here on. */
  end(): void;
}
