import type { DimensionValue } from './metric-catalogue.ts';
import type { ErrorCode } from './protocol.ts';

/** How a refusal is counted: by whose it is to mend. */
export function errorTypeOf(code: ErrorCode): DimensionValue<'Errors'> {
  switch (code) {
    case 'rate_limited':
    case 'throttled':
      return 'throttled';
    case 'unavailable':
    case 'presence_degraded':
      return 'unavailable';
    case 'internal':
      return 'internal';
    default:
      return 'client';
  }
}
