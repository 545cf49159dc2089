import fc from 'fast-check';
import { origin } from '../../client/frames.ts';
import { SteadySocket, type Subscription } from '../../client/index.ts';
import { type Faults, ModelServer } from './model-server.ts';
import { TestClock } from './test-clock.ts';

jest.setTimeout(30_000);

const channel = 'room:1';

/** A generator of numbers from 0 to below 1 that repeats ("mulberry32"). */
function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

type Event =
  | { readonly happens: 'posts' | 'publishes'; readonly count: number }
  | { readonly happens: 'kill' | 'stall' | 'expire' | 'resync' | 'reconnect' | 'rejoin' }
  | { readonly happens: 'wait'; readonly ms: number };

const event: fc.Arbitrary<Event> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ happens: fc.constantFrom('posts', 'publishes'), count: fc.integer({ min: 1, max: 8 }) }),
  },
  { weight: 6, arbitrary: fc.record({ happens: fc.constant('wait'), ms: fc.integer({ min: 1, max: 3_000 }) }) },
  {
    weight: 5,
    arbitrary: fc.record({ happens: fc.constantFrom('kill', 'stall', 'expire', 'resync', 'reconnect', 'rejoin') }),
  },
) as fc.Arbitrary<Event>;

const faults: fc.Arbitrary<Faults> = fc.record({
  loss: fc.constantFrom(0, 0.05, 0.3),
  duplication: fc.constantFrom(0, 0.3),
  errors: fc.constantFrom(0, 0.2),
  delayMs: fc.constantFrom(0, 20, 1_500),
});

const history = fc.record({
  seed: fc.integer(),
  faults,
  sinceOrigin: fc.boolean(),
  // Often, so that overlaps meet every other fault; or never, since each replacement heals what went wrong before it.
  replaced: fc.constantFrom('often', 'never'),
  events: fc.array(event, { maxLength: 40 }),
});

type Told = { readonly cursor: string } | { readonly after: string; readonly resumesAt: string };

it('delivers exactly once and in order, or tells of the loss, and loses no publication', async () => {
  let losses = 0;
  await fc.assert(
    fc.asyncProperty(history, async ({ seed, faults, sinceOrigin, replaced, events }) => {
      const random = chance(seed);
      const clock = new TestClock(random);
      const server = new ModelServer(channel, clock, random, faults);
      const socket = new SteadySocket({
        url: 'wss://model.test/prod',
        token: () => 't',
        heartbeatIntervalMs: 20_000,
        replaceAfterMs: replaced === 'often' ? [4_000, 8_000] : [75 * 60_000, 115 * 60_000],
        noticeSpreadMs: 1_000,
        clock,
        WebSocket: server.WebSocket,
      });
      const told: Told[] = [];
      const join = (since: string | undefined) =>
        socket.subscribe(channel, {
          ...(since !== undefined && { since }),
          onMessage: message => told.push(message),
          onLost: loss => told.push(loss),
        });
      let subscription: Subscription = join(sinceOrigin ? origin : undefined);
      const published: string[] = [];
      const accepted: Promise<unknown>[] = [];
      let posts = 0;
      const apply = async (event: Event) => {
        switch (event.happens) {
          case 'posts':
            for (let n = 0; n < event.count; n++) server.publish(`post-${posts++}`);
            return;
          case 'publishes':
            for (let n = 0; n < event.count; n++) {
              const id = `own-${published.length}`;
              published.push(id);
              accepted.push(socket.publish(channel, n, { id }));
            }
            return;
          case 'rejoin': {
            const { cursor } = subscription;
            subscription.unsubscribe();
            // Where it did not begin yet, it begins anew.
            subscription = join(cursor ?? (sinceOrigin ? origin : undefined));
            return;
          }
          case 'resync':
            return server.tell({ type: 'resync', channel });
          case 'reconnect':
            return server.tell({ type: 'notice', notice: 'reconnect' });
          case 'wait':
            return clock.advance(event.ms);
          default:
            return server[event.happens]();
        }
      };
      for (const event of events) await apply(event);
      server.calm();
      // Heartbeats find what is half open, questions without an answer end their connections, waits reach their longest.
      await clock.advance(3 * 60_000);
      // The end of a log that was lost on the way shows by the next message.
      server.publish('last');
      await clock.advance(60_000);
      await Promise.all(accepted);

      const first = told[0];
      const all = server.history;
      const beginning =
        first && ('after' in first ? first.after : (all.find(m => m.cursor === first.cursor)?.previous ?? origin));
      if (sinceOrigin) expect(beginning).toBe(origin);
      else expect(server.beginnings).toContain(beginning);
      let position = beginning ?? origin;
      for (const item of told) {
        if ('after' in item) {
          losses++;
          expect(item.after).toBe(position);
          // Only what the log does not hold any more may be lost.
          expect(item.after < server.expiredTo).toBe(true);
          expect(item.resumesAt > position).toBe(true);
          position = item.resumesAt;
        } else {
          expect(item.cursor).toBe(all.find(({ previous }) => (previous ?? origin) === position)?.cursor);
          position = item.cursor;
        }
      }
      expect(position).toBe(server.head);
      expect(subscription.cursor).toBe(server.head);
      expect(all.map(({ id }) => id).filter(id => id.startsWith('own'))).toEqual(published);

      // Overlaps end, and so does everything with the socket.
      expect(server.connections).toBeLessThanOrEqual(socket.state === 'open' ? 2 : 1);
      socket.close();
      await clock.advance(10_000);
      expect(clock.timers).toBe(0);
    }),
    { numRuns: 300 },
  );
  // Histories in which nothing is ever lost would prove little.
  expect(losses).toBeGreaterThan(0);
});
