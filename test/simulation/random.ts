/** Numbers from 0 to below 1. */
export type Random = () => number;

function hash(text: string): number {
  let value = 2_166_136_261;
  for (let at = 0; at < text.length; at += 1) value = Math.imul(value ^ text.charCodeAt(at), 16_777_619);
  return value >>> 0;
}

/**
 * A stream of numbers that repeats. Each purpose has a stream of its own, so that what is left out of one history does not
 * change the others' numbers.
 */
export function randomOf(seed: number, purpose: string): Random {
  let state = (Math.imul(seed, 2_654_435_761) ^ hash(purpose)) >>> 0;
  // "mulberry32"
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(state ^ (state >>> 15), state | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return ((value ^ (value >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export const between = (random: Random, from: number, to: number): number => from + random() * (to - from);
/** Both ends included. */
export const integer = (random: Random, from: number, to: number): number => Math.floor(between(random, from, to + 1));

export function oneOf<T>(random: Random, items: readonly T[]): T {
  const item = items[Math.floor(random() * items.length)];
  if (item === undefined) throw new RangeError('nothing to choose from');
  return item;
}

export function shuffled<T>(random: Random, items: readonly T[]): T[] {
  return items
    .map(item => ({ item, place: random() }))
    .sort((a, b) => a.place - b.place)
    .map(({ item }) => item);
}
