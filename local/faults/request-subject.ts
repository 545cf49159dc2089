import type { AwsCall } from '../aws/service.ts';
import type { RequestSubject } from './points.ts';

const nameOf = (reference: string): string => reference.split(/[/:]/).at(-1) ?? reference;

/** The last part of names, URLs and ARNs; a batch of DynamoDB names its tables as keys. */
function resourcesOf(body: unknown): string[] {
  if (typeof body !== 'object' || body === null) return [];
  const { TableName, RequestItems, QueueUrl } = body as Readonly<Record<string, unknown>>;
  const single = [TableName, QueueUrl].filter(reference => typeof reference === 'string');
  const batch = typeof RequestItems === 'object' && RequestItems !== null ? Object.keys(RequestItems) : [];
  return [...single, ...batch].map(nameOf);
}

function json(body: Buffer): unknown {
  try {
    return JSON.parse(String(body));
  } catch {
    // Of another protocol, which names no table or queue.
    return undefined;
  }
}

/** The operation of AWS's JSON, query and RPC v2 protocols. */
function operationOf({ headers, url, body }: Pick<AwsCall, 'headers' | 'url' | 'body'>): string {
  const target = headers['x-amz-target'];
  if (typeof target === 'string') return target.split('.').at(-1) ?? target;
  const [, rpc] = /\/operation\/([^/?]+)/.exec(url) ?? [];
  return rpc ?? new URLSearchParams(String(body)).get('Action') ?? '';
}

/** What a request to AWS's APIs is about, as far as faults tell requests apart. */
export const requestSubject = (call: Pick<AwsCall, 'service' | 'headers' | 'url' | 'body'>): RequestSubject => ({
  service: call.service,
  operation: operationOf(call),
  resources: resourcesOf(json(call.body)),
});
