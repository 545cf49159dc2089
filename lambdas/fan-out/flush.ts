import type { Control } from '../shared/control.ts';

export type Flush = Control['flush'];

/**
 * Whether a publication is logged without being posted. Both times count: what was queued after `until` is behind the
 * marker that has the subscribers fetch the rest, and would be told of by none. So a flush begins when `until` is over.
 * @param publishedAt when it was accepted
 * @param sentAt when it came into its queue
 */
export const isFlushed = (
  { publishedAt, sentAt }: { readonly publishedAt: number; readonly sentAt: number },
  flush: Flush,
  now: number,
): boolean => flush !== null && now > flush.until && publishedAt <= flush.until && sentAt <= flush.until;
