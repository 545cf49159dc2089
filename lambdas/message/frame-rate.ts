/** What became of a frame: taken, refused, or one too many of a client that does not stop. */
export type FrameVerdict = 'taken' | 'refused' | 'flooding';

/** A client that sends this many seconds' worth of frames over its rate, refusals included, is cut off. */
const floodSeconds = 5;
/** Connections that one function environment keeps in mind: a bucket is a few dozen bytes. */
const maxBuckets = 10_000;

/**
 * A token bucket for each connection, in the memory of one function environment. Frames of one connection may be
 * handled by several environments, each with its own bucket; `frame-tally.ts` brings them together.
 */
export function frameRate(perSecond: number): (connectionId: string, now: number) => FrameVerdict {
  const buckets = new Map<string, { tokens: number; at: number }>();
  return (connectionId, now) => {
    const bucket = buckets.get(connectionId) ?? { tokens: perSecond, at: now };
    buckets.delete(connectionId);
    buckets.set(connectionId, bucket);
    const oldest = buckets.keys().next();
    if (buckets.size > maxBuckets && !oldest.done) buckets.delete(oldest.value);
    // A clock that is set back takes nothing away.
    const elapsedSeconds = Math.max(0, now - bucket.at) / 1000;
    bucket.tokens = Math.min(perSecond, bucket.tokens + elapsedSeconds * perSecond) - 1;
    bucket.at = now;
    if (bucket.tokens >= 0) return 'taken';
    return bucket.tokens < -floodSeconds * perSecond ? 'flooding' : 'refused';
  };
}
