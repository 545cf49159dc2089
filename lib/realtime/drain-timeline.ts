/**
 * When each step of a drain is due, in seconds from its beginning: chat-backend's shutdown sequence, with the service's own
 * window in place of its 30 s.
 */
export interface DrainTimeline {
  /** The control record says that a drain is under way. */
  readonly flag: number;
  /** `$connect` refuses. */
  readonly admissionClosed: number;
  /** Everybody is told, and leaves within the window. */
  readonly notice: number;
  /** Whoever is still there is closed. */
  readonly leftovers: number;
  /** Admission opens again. */
  readonly done: number;
}

export const drainTimeline = (windowSeconds: number): DrainTimeline => ({
  flag: 2,
  admissionClosed: 10,
  notice: 12,
  leftovers: 12 + windowSeconds,
  done: 15 + windowSeconds,
});
