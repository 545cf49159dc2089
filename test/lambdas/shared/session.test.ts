import fc from 'fast-check';
import { type Session, sessionContext, sessionSchema } from '../../../lambdas/shared/session.ts';

const pattern = fc.string({ minLength: 1, maxLength: 20 });
const session = fc.record(
  {
    rights: fc.record({ read: fc.array(pattern), write: fc.array(pattern) }),
    user: fc.string({ minLength: 1 }),
    tokenExpiresAt: fc.nat(),
    clientVersion: fc.string({ minLength: 1 }),
  },
  { requiredKeys: ['rights'] },
) as fc.Arbitrary<Session>;

test('a session comes back from an authorizer context as it went in, as flat strings', () => {
  fc.assert(
    fc.property(session, session => {
      const context = sessionContext(session);
      expect(Object.values(context).every(value => typeof value === 'string')).toBe(true);
      expect(sessionSchema.parse(context)).toEqual(session);
    }),
  );
});

test('what API Gateway adds is left out', () => {
  const context = { ...sessionContext({ rights: { read: [], write: [] } }), principalId: 'a', integrationLatency: 12 };
  expect(sessionSchema.parse(context)).toEqual({ rights: { read: [], write: [] } });
});

test.each([
  [{}, 'rights'],
  [{ rights: 'no JSON' }, 'rights are not JSON'],
  [{ rights: '{"read":"*"}' }, 'read'],
  [{ rights: '{}', tokenExpiresAt: 'soon' }, 'tokenExpiresAt'],
])('a context of another shape is an error that names the field: %j', (context, named) => {
  expect(() => sessionSchema.parse(context)).toThrow(named);
});
