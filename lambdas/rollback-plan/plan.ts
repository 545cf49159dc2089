import { type LiveVersion, lastRelease } from '../shared/releases.ts';

/** An alias that goes back. */
export interface AliasChange {
  readonly functionName: string;
  readonly alias: string;
  /** Version that it points at. */
  readonly from: string;
  readonly to: string;
  readonly revisionId: string;
}

export interface RollbackPlan {
  readonly needed: boolean;
  readonly changes: readonly AliasChange[];
  readonly summary: string;
}

const minutes = (milliseconds: number): string => `${Math.max(0, Math.round(milliseconds / 60_000))} min`;

/**
 * What takes the last deployment back: every function that it changed, to the version before. Those that it left alone
 * stay, or two releases would be mixed.
 * @param now epoch milliseconds, by the clock that dates versions
 */
export function rollbackPlan(live: readonly LiveVersion[], withinMs: number, now: number): RollbackPlan {
  const nothing = (summary: string) => ({ needed: false, changes: [], summary });
  const released = lastRelease(live);
  const age = now - Math.max(...released.map(({ publishedAt }) => publishedAt));
  if (age > withinMs)
    return nothing(`the last deployment was ${minutes(age)} ago, not within ${minutes(withinMs)}: it is not the cause`);
  const changes = released.flatMap(({ functionName, alias, version, revisionId, before }) =>
    before === undefined ? [] : [{ functionName, alias, from: version, to: before, revisionId }],
  );
  if (changes.length === 0) return nothing('the last deployment was the first: there is no version to go back to');
  const list = changes.map(({ functionName, from, to }) => `${functionName} ${from} to ${to}`).join(', ');
  return { needed: true, changes, summary: `the deployment of ${minutes(age)} ago is taken back: ${list}` };
}
