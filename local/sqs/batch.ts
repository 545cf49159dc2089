import { AwsError } from '../aws/service.ts';

interface BatchEntry {
  readonly Id: string;
}

export interface BatchReply<Success> {
  readonly Successful: Success[];
  readonly Failed: { Id: string; SenderFault: boolean; Code: string; Message: string }[];
}

const maxEntries = 10;
// "Amazon SQS message quotas": batched message ID.
const idPattern = /^[\w-]{1,80}$/;

/** @throws AwsError for a batch that SQS refuses as a whole. */
export function checkBatch(entries: readonly BatchEntry[]): void {
  if (entries.length === 0)
    throw new AwsError('EmptyBatchRequest', 'There should be at least one entry in the request.');
  if (entries.length > maxEntries)
    throw new AwsError(
      'TooManyEntriesInBatchRequest',
      `Maximum number of entries per request are ${maxEntries}. You have sent ${entries.length}.`,
    );
  const ids = new Set<string>();
  for (const { Id } of entries) {
    if (!idPattern.test(Id))
      throw new AwsError(
        'InvalidBatchEntryId',
        'A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.',
      );
    if (ids.has(Id)) throw new AwsError('BatchEntryIdsNotDistinct', `Id ${Id} repeated.`);
    ids.add(Id);
  }
}

/** Runs each entry for itself, in order: one may fail without the others. */
export function eachEntry<Entry extends BatchEntry, Success>(
  entries: readonly Entry[],
  run: (entry: Entry, index: number) => Success,
): BatchReply<Success> {
  const reply: BatchReply<Success> = { Successful: [], Failed: [] };
  for (const [index, entry] of entries.entries()) {
    try {
      reply.Successful.push(run(entry, index));
    } catch (error) {
      if (!(error instanceof AwsError)) throw error;
      reply.Failed.push({ Id: entry.Id, SenderFault: error.status < 500, Code: error.code, Message: error.message });
    }
  }
  return reply;
}
