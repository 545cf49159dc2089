import { createHash } from 'node:crypto';

/** A number from 0 up to 1 that follows from a seed and a place alone. */
function fraction(seed: string | number, place: number): number {
  return createHash('sha256').update(`${seed}/${place}`).digest().readUInt32BE() / 2 ** 32;
}

/**
 * Tells for one after the other whether it is of the share. The same seed gives the same answers in the same order.
 * `key`: the first answer for a key stays.
 */
export function createShare(share: number, seed: string | number): (key?: string) => boolean {
  const kept = new Map<string, boolean>();
  let place = 0;
  return key => {
    const before = key === undefined ? undefined : kept.get(key);
    if (before !== undefined) return before;
    const drawn = fraction(seed, place) < share;
    place += 1;
    if (key !== undefined) kept.set(key, drawn);
    return drawn;
  };
}
