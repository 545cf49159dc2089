import type { Json } from '../../../local/dynamodb/dynalite.ts';
import { Replication } from '../../../local/dynamodb/replication.ts';
import { ManualClock } from '../manual-clock.ts';

const lagMs = 50;
const settle = (): Promise<void> => new Promise(setImmediate);

it('copies an item once more that was written while it was being copied', async () => {
  const clock = new ManualClock();
  let current: Json = { version: 1 };
  const copied: unknown[] = [];
  let finishCopy = () => {};
  const replication = new Replication({
    primary: { runTrusted: async () => ({ Item: current }) },
    replica: {
      runTrusted: (_operation, input) => {
        copied.push(input.Item);
        return new Promise(resolve => {
          finishCopy = () => resolve({});
        });
      },
    },
    lagMs,
    random: () => 1,
    log: () => {},
    clock,
  });
  replication.written('table', { id: 'x' });
  clock.advance(lagMs);
  await settle();
  current = { version: 2 };
  replication.written('table', { id: 'x' });
  clock.advance(lagMs);
  await settle();
  expect(copied).toEqual([{ version: 1 }]);
  finishCopy();
  await settle();
  clock.advance(lagMs);
  await settle();
  expect(copied).toEqual([{ version: 1 }, { version: 2 }]);
  finishCopy();
  await replication.close();
  expect(clock.timers).toBe(0);
});
