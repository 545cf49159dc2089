/**
 * Keeps the answer of `read` for a while. Calls made meanwhile share the one under way, and a failure is not kept.
 * @param milliseconds how stale an answer may be
 */
export function keptFor<T>(milliseconds: number, read: () => Promise<T>): () => Promise<T> {
  let kept: { readonly value: Promise<T>; readonly until: number } | undefined;
  return () => {
    const now = Date.now();
    if (kept && now < kept.until) return kept.value;
    const value = read();
    const mine = { value, until: now + milliseconds };
    kept = mine;
    value.catch(() => {
      if (kept === mine) kept = undefined;
    });
    return value;
  };
}
