/** `2026-11-22 03:04:05`, UTC as all times of an incident. */
export const utc = (at: string): string => at.slice(0, 19).replace('T', ' ');

/** A clock may be so much behind another one. */
const skewMs = 60_000;

/** `2.5 min`; of what happened out of order by more than clocks differ, nothing is known. */
export function minutesBetween(from: string | undefined, to: string | undefined): string {
  if (from === undefined || to === undefined) return 'not known';
  const ms = Date.parse(to) - Date.parse(from);
  return ms < -skewMs ? 'not known' : `${(Math.max(0, ms) / 60_000).toFixed(1)} min`;
}
