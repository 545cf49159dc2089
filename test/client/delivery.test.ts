import fc from 'fast-check';
import { origin } from '../../client/frames.ts';
import { SteadySocket, type Subscription, type Undeliverable } from '../../client/index.ts';
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
  | { readonly happens: 'publishes in parts' }
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
    arbitrary: fc.record({
      happens: fc.constantFrom(...['kill', 'stall', 'expire', 'resync', 'reconnect', 'rejoin', 'publishes in parts']),
    }),
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

/** The first part comes, and what is after it expires: the loss begins between the parts, and ends with the last. */
const lossFromPartOn: typeof history extends fc.Arbitrary<infer History> ? History : never = {
  seed: -1467737667,
  faults: { loss: 0.3, duplication: 0, errors: 0, delayMs: 0 },
  sinceOrigin: true,
  replaced: 'often',
  events: [{ happens: 'publishes in parts' }, { happens: 'wait', ms: 6 }, { happens: 'expire' }],
};

type Told =
  | { readonly cursor: string; readonly id: string; readonly data: unknown }
  | { readonly after: string; readonly resumesAt: string };

/** Of which the frames that carry it have three parts. */
const large = 'x'.repeat(70_000);

it('delivers exactly once and in order, or tells of the loss, and loses no publication', async () => {
  let losses = 0;
  let inParts = 0;
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
      const incomplete: (Undeliverable & { readonly join: number })[] = [];
      let joins = 0;
      const join = (since: string | undefined) =>
        socket.subscribe(channel, {
          ...(since !== undefined && { since }),
          onMessage: message => told.push(message),
          onLost: loss => told.push(loss),
          onUndeliverable: undeliverable => incomplete.push({ ...undeliverable, join: joins }),
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
          case 'publishes in parts': {
            const id = `own-${published.length}`;
            published.push(id);
            accepted.push(socket.publish(channel, large, { id }));
            return;
          }
          case 'rejoin': {
            const { cursor } = subscription;
            subscription.unsubscribe();
            joins++;
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
      /** Where a message stands: where its last part does. */
      const places = all.filter(({ part, data }) => !part || part.offset + String(data).length === part.bytes);
      const cursors = places.map(({ cursor }) => cursor);
      const placeBefore = (cursor: string) => cursors.findLast(place => place < cursor) ?? origin;
      let position: string;
      if (sinceOrigin) position = origin;
      else if (first && 'after' in first) position = first.after;
      else {
        // What it may begin after is what the server said, and between the parts of a message, that one is not told.
        const untold = new Set(incomplete.map(({ id }) => id));
        const begins = [...server.beginnings].map(beginning =>
          places.find(({ cursor, id }) => cursor > beginning && !untold.has(id)),
        );
        expect(begins.map(place => place?.cursor)).toContain(first?.cursor);
        position = placeBefore(first?.cursor ?? '');
      }
      const notWhole = new Set(incomplete.map(({ id }) => id));
      // Each is told of once; again to a subscription that begins between the parts that are left.
      const tellings = incomplete.map(({ id, join }) => `${id} ${join}`);
      expect(new Set(tellings).size).toBe(tellings.length);
      for (const item of told) {
        if ('after' in item) {
          losses++;
          // Only what the log does not hold any more may be lost.
          expect(item.after < server.expiredTo).toBe(true);
          expect(item.resumesAt > item.after && item.resumesAt >= position).toBe(true);
          position = item.resumesAt;
        } else {
          const next = places.find(({ cursor, id }) => cursor > position && !notWhole.has(id));
          expect(item.cursor).toBe(next?.cursor);
          if (all.find(({ id }) => id === item.id)?.part) expect(item.data).toBe(large);
          position = item.cursor;
        }
      }
      // No message is both, and none is not whole but for a loss that begins or ends, or a beginning, between its parts.
      for (const { id } of incomplete) {
        expect(told.some(item => 'id' in item && item.id === id)).toBe(false);
        const parts = all.filter(part => part.id === id).map(({ cursor }) => cursor);
        const edges = told.flatMap(item => ('after' in item ? [item.after, item.resumesAt] : []));
        const breaks = [...server.beginnings, ...edges];
        expect(breaks.some(at => at >= String(parts.at(0)) && at < String(parts.at(-1)))).toBe(true);
      }
      expect(position).toBe(server.head);
      expect(subscription.cursor).toBe(server.head);
      expect(places.map(({ id }) => id).filter(id => id.startsWith('own'))).toEqual(published);
      inParts += all.filter(({ part }) => part?.offset === 0).length;

      // Overlaps end, and so does everything with the socket.
      expect(server.connections).toBeLessThanOrEqual(socket.state === 'open' ? 2 : 1);
      socket.close();
      await clock.advance(10_000);
      expect(clock.timers).toBe(0);
    }),
    { numRuns: 300, examples: [[lossFromPartOn]] },
  );
  // Histories in which nothing is ever lost would prove little.
  expect(losses).toBeGreaterThan(0);
  expect(inParts).toBeGreaterThan(0);
});
