import type { Principal } from '../aws/service.ts';

/** What Step Functions needs of EventBridge. */
export interface EventBus {
  /** PutEvents with the caller's permissions. @throws AwsError */
  putEvents(
    entries: readonly Readonly<Record<string, unknown>>[],
    principal: Principal,
  ): Promise<{ readonly FailedEntryCount: number; readonly Entries: readonly object[] }>;
  /** An event of AWS's own. */
  putEvent(event: ServiceEvent): void;
}

/** An event of an AWS service to the default bus, without what the bus adds. */
export interface ServiceEvent {
  readonly source: string;
  readonly 'detail-type': string;
  readonly resources: readonly string[];
  readonly detail: object;
  /** Epoch milliseconds of monitoring time; the present where there is none. */
  readonly time?: number;
}
