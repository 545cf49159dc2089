import { isMainThread } from 'node:worker_threads';

const everyMs = 1_000;

/** What the function holds, in bytes. */
function usedBytes(): number {
  const { rss, heapTotal, external } = process.memoryUsage();
  // The local environment runs functions as threads of one process, whose resident set is that of all of them.
  return isMainThread ? rss : heapTotal + external;
}

/**
 * Tells the share of its memory that a function environment uses, in percent. Once a second at most: a figure is some 40 bytes
 * of log, and a release that leaks may have filled it within a minute.
 * @returns undefined where it was told within the last second
 */
export function memoryMeter(now: () => number = Date.now): (memoryLimitMegabytes: number) => number | undefined {
  let at = Number.NEGATIVE_INFINITY;
  return limit => {
    if (now() - at < everyMs) return undefined;
    at = now();
    return (100 * usedBytes()) / (limit * 1024 * 1024);
  };
}
