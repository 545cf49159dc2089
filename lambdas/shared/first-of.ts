/** Keys kept in mind at most. */
const maxKeys = 10_000;

/** Tells whether something is the first of its key within a while, so that what a client repeats is logged once. */
export function firstOf(whileMs: number): (key: string, now: number) => boolean {
  const last = new Map<string, number>();
  return (key, now) => {
    const before = last.get(key);
    if (before !== undefined && now - before < whileMs) return false;
    last.delete(key);
    last.set(key, now);
    const oldest = last.keys().next();
    if (last.size > maxKeys && !oldest.done) last.delete(oldest.value);
    return true;
  };
}
