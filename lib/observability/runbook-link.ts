import type { Environment } from '../config/environment.ts';
import type { Runbook } from '../runbook/runbook.ts';

/** Where a section of the published runbook is read; the whole runbook without an anchor. */
export function runbookLink(
  { runbookBaseUrl }: Pick<Environment, 'runbookBaseUrl'>,
  { service }: Pick<Runbook, 'service'>,
  anchor?: string,
): string {
  return `${runbookBaseUrl}/${service}.md${anchor === undefined ? '' : `#${anchor}`}`;
}
