const hourMs = 3_600_000;
const oldestMs = 14 * 24 * hourMs;
const latestMs = 2 * hourMs;

/**
 * "PutMetricData": data points from two weeks ago to two hours from now are taken. What is wrong with a time, or nothing.
 * @param realNow epoch milliseconds, as the time
 */
export function checkTimestamp(timestamp: number, realNow: number): string | undefined {
  if (timestamp < realNow - oldestMs) return 'must not be more than two weeks in the past';
  return timestamp > realNow + latestMs ? 'must not be more than two hours in the future' : undefined;
}
