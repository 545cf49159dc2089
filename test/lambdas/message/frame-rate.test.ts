import fc from 'fast-check';
import { frameRate } from '../../../lambdas/message/frame-rate.ts';

test('as many as the rate at once, then one by one', () => {
  const rate = frameRate(3);
  expect([1, 2, 3, 4].map(() => rate('a', 0))).toEqual(['taken', 'taken', 'taken', 'refused']);
  // The fourth cost a token too.
  expect(rate('a', 300)).toBe('refused');
  expect(rate('a', 1_100)).toBe('taken');
});

test('each connection has its own', () => {
  const rate = frameRate(1);
  expect(rate('a', 0)).toBe('taken');
  expect(rate('a', 0)).toBe('refused');
  expect(rate('b', 0)).toBe('taken');
});

test('a client that goes on is flooding after five seconds worth of frames', () => {
  const rate = frameRate(10);
  const verdicts = Array.from({ length: 62 }, () => rate('a', 0));
  expect(verdicts.slice(0, 10)).toEqual(Array(10).fill('taken'));
  expect(verdicts.slice(10, 60)).toEqual(Array(50).fill('refused'));
  expect(verdicts.slice(60)).toEqual(['flooding', 'flooding']);
});

test('a client at its rate is always taken', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 100 }), fc.array(fc.nat(5_000), { maxLength: 200 }), (perSecond, pauses) => {
      const rate = frameRate(perSecond);
      let now = 0;
      for (const pause of pauses) {
        now += Math.ceil(1000 / perSecond) + pause;
        expect(rate('a', now)).toBe('taken');
      }
    }),
  );
});

test('never more are taken than the rate allows for the time, whenever they come', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), fc.array(fc.nat(300), { maxLength: 300 }), (perSecond, pauses) => {
      const rate = frameRate(perSecond);
      let now = 0;
      let taken = 0;
      for (const pause of pauses) {
        now += pause;
        if (rate('a', now) === 'taken') taken += 1;
        expect(taken).toBeLessThanOrEqual(perSecond + (now / 1000) * perSecond);
      }
    }),
  );
});

test('a clock that is set back is not held against a client', () => {
  const rate = frameRate(10);
  expect(rate('a', 3_600_000)).toBe('taken');
  expect(rate('a', 0)).toBe('taken');
});

test('connections that are long unheard of are forgotten, those that flood are not', () => {
  const rate = frameRate(1);
  expect(rate('quiet', 0)).toBe('taken');
  rate('loud', 0);
  for (let n = 0; n < 9_999; n += 1) {
    rate(`other-${n}`, 0);
    if (n % 100 === 0) rate('loud', 0);
  }
  expect(rate('loud', 0)).toBe('flooding');
  expect(rate('quiet', 0)).toBe('taken');
});
