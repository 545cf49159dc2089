import type { Settings } from './settings.ts';

/** A service as its runbook defines it. */
export interface Runbook {
  /** Name of the service: lower case, digits and hyphens; the file is `<service>.md`. */
  readonly service: string;
  readonly title: string;
  readonly owner: string;
  /** ISO date of the last change. */
  readonly updated: string;
  /** ISO date of the next review. */
  readonly review: string;
  readonly settings: Settings;
}
