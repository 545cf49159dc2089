import type { DimensionValue } from './metric-catalogue.ts';
import type { ErrorCode } from './protocol.ts';

/**
 * How a refusal is counted: by whose it is to mend. Undefined where it is what the control record asks for: a remedy that counted
 * as errors would look like the illness, and keep the service from being recovered.
 */
export function errorTypeOf(code: ErrorCode): DimensionValue<'Errors'> | undefined {
  switch (code) {
    case 'throttled':
    case 'presence_degraded':
      return undefined;
    case 'rate_limited':
      return 'throttled';
    case 'unavailable':
      return 'unavailable';
    case 'internal':
      return 'internal';
    default:
      return 'client';
  }
}
