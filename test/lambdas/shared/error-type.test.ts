import { errorTypeOf } from '../../../lambdas/shared/error-type.ts';

test.each([
  ['bad_frame', 'client'],
  ['forbidden_channel', 'client'],
  ['message_too_large', 'client'],
  ['rate_limited', 'throttled'],
  ['throttled', undefined],
  ['presence_degraded', undefined],
  ['unavailable', 'unavailable'],
  ['internal', 'internal'],
] as const)('%s counts as %s', (code, type) => {
  expect(errorTypeOf(code)).toBe(type);
});
