import { z } from 'zod';
import type { ServiceEvent } from '../stepfunctions/event-bus.ts';
import type { MetricSink } from './metric.ts';

const statusChange = z.object({
  status: z.enum(['RUNNING', 'SUCCEEDED', 'FAILED', 'TIMED_OUT', 'ABORTED', 'PENDING_REDRIVE']),
  stateMachineArn: z.string(),
  startDate: z.number().nullish(),
  stopDate: z.number().nullish(),
});

const names: Readonly<Record<string, string>> = {
  RUNNING: 'ExecutionsStarted',
  SUCCEEDED: 'ExecutionsSucceeded',
  FAILED: 'ExecutionsFailed',
  TIMED_OUT: 'ExecutionsTimedOut',
  ABORTED: 'ExecutionsAborted',
};

/** Publishes how executions go ("Monitoring Step Functions metrics using Amazon CloudWatch"), from their status changes. */
export function executionMetrics(sink: MetricSink): (event: ServiceEvent) => void {
  return event => {
    if (event.source !== 'aws.states') return;
    const { success, data } = statusChange.safeParse(event.detail);
    const name = success ? names[data.status] : undefined;
    if (!success || name === undefined) return;
    const dimensions = { StateMachineArn: data.stateMachineArn };
    sink.put('AWS/States', name, dimensions, 1, 'Count');
    if (data.startDate != null && data.stopDate != null)
      sink.put('AWS/States', 'ExecutionTime', dimensions, data.stopDate - data.startDate, 'Milliseconds');
  };
}
