import fc from 'fast-check';
import { FairQueue } from '../../../local/lambda/fair-queue.ts';

const drained = (queue: FairQueue<string>): string[] => {
  const out: string[] = [];
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) out.push(next);
  return out;
};

test('one of each, then the next of each', () => {
  const queue = new FairQueue<string>();
  for (const waiting of ['a1', 'a2', 'a3', 'b1', 'c1', 'b2']) queue.push(waiting[0] ?? '', waiting);
  expect(drained(queue)).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'a3']);
  expect(queue.shift()).toBeUndefined();
});

test('nobody is lost, each keeps the own order, and who comes last waits for one of each other at most', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 50 }), keys => {
      const queue = new FairQueue<string>();
      keys.forEach((key, n) => {
        queue.push(key, `${key}${n}`);
      });
      queue.push('late', 'late');
      const order = drained(queue);
      expect([...order].sort()).toEqual([...keys.map((key, n) => `${key}${n}`), 'late'].sort());
      for (const key of 'abcd') {
        const own = order.filter(waiting => waiting.startsWith(key)).map(waiting => Number(waiting.slice(1)));
        expect(own).toEqual([...own].sort((x, y) => x - y));
      }
      expect(order.indexOf('late')).toBeLessThanOrEqual(new Set(keys).size);
    }),
  );
});
