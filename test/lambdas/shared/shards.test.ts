import fc from 'fast-check';
import { isCounter, shardFilled, shardFor } from '../../../lambdas/shared/shards.ts';
import { InMemoryService } from '../in-memory.ts';

const channel = 'room:1';
const head = (shardCount: number, ...fullShards: number[]) => ({ cursor: null, shardCount, fullShards });

test('a connection has one of the shards that the head knows, and a full one only where all are', () => {
  fc.assert(
    fc.property(
      fc.string(),
      fc.integer({ min: 1, max: 16 }),
      fc.uniqueArray(fc.nat(15)),
      (connectionId, shardCount, fullShards) => {
        const full = fullShards.filter(shard => shard < shardCount);
        const shard = shardFor(connectionId, head(shardCount, ...full));
        expect(shard).toBe(shardFor(connectionId, head(shardCount, ...full)));
        expect(shard >= 0 && shard < shardCount && Number.isInteger(shard)).toBe(true);
        if (full.length < shardCount) expect(full).not.toContain(shard);
      },
    ),
  );
});

test('connections spread over the shards that are not full', () => {
  const sizes = new Map<number, number>();
  for (let n = 0; n < 8_000; n += 1) {
    const shard = shardFor(`connection-${n}=`, head(10, 3, 7));
    sizes.set(shard, (sizes.get(shard) ?? 0) + 1);
  }
  expect([...sizes.keys()].sort()).toEqual([0, 1, 2, 4, 5, 6, 8, 9]);
  for (const size of sizes.values()) expect(Math.abs(size - 1_000)).toBeLessThan(150);
});

test('about one connection of 32 counts, in every shard', () => {
  const connections = Array.from({ length: 32_000 }, (_, n) => `connection-${n}=`);
  const counters = connections.filter(isCounter);
  expect(Math.abs(counters.length - 1_000)).toBeLessThan(150);
  expect(new Set(counters.map(id => shardFor(id, head(16)))).size).toBe(16);
});

describe('a shard that is full', () => {
  test('is noted, and the shards doubled only when all are', async () => {
    const service = new InMemoryService();
    const { log } = service.view();
    service.heads.set(channel, head(2));
    await shardFilled(channel, 0, 1, log);
    expect(service.headOf(channel)).toEqual(head(2, 0));
    await shardFilled(channel, 1, 1, log);
    await shardFilled(channel, 1, 1, log);
    expect(service.headOf(channel)).toEqual(head(4, 0, 1));
  });

  test('makes no more than a thousand of them', async () => {
    const service = new InMemoryService();
    const { log } = service.view();
    service.heads.set(channel, head(600, ...Array.from({ length: 600 }, (_, n) => n)));
    await shardFilled(channel, 5, 1, log);
    expect(service.headOf(channel).shardCount).toBe(1_000);
  });
});
