import { setTimeout as sleep } from 'node:timers/promises';
import type { FaultSpec } from '../../local/faults/catalogue.ts';
import { flood, poison } from '../load.ts';
import type { Lift, Scenario, ScenarioOf, Setting } from '../scenario.ts';
import { figuresDivided, neverQuiet, settingDivided } from './changes.ts';
import { faulty, inject, together } from './faulty.ts';

/** Faults on the way from the queue to the subscribers. */

/**
 * One channel with so many subscribers that their posts, ten at once, take five times as long as one post. With five times as
 * many at once they take as long as one.
 */
const largeRoom = { clients: 50, rooms: 1 };
const fewPosts = settingDivided('Post parallelism', 5);
const slowPosts = (delayMs: number): FaultSpec => ({ fault: 'post-delay', delayMs });

/** @param delayMs of each post */
export const postsAreSlow =
  (delayMs: number, more: Partial<Scenario> = {}): ScenarioOf =>
  () =>
    faulty(`each post takes ${delayMs} ms`, [slowPosts(delayMs)], {
      changes: [fewPosts],
      audience: { ...largeRoom, perSecond: 3 },
      ...more,
    });

/** Only a new connection helps, which `notify-clients(reconnect)` has clients make. */
export const connectionsAreSlow =
  (delayMs: number): ScenarioOf =>
  () =>
    faulty(
      `posts to a third of the connections that are open take ${delayMs} ms`,
      [{ fault: 'post-delay', of: 'present', share: 0.35, seed: 1, delayMs }],
      // Clients spread their return over the drain window, which is real time.
      { audience: { perSecond: 4 }, timeScale: 20 },
    );

/** The fan-out's own clients are slow, which more of them at once do not help. */
export const fanOutIsSlow =
  (delayMs: number): ScenarioOf =>
  () =>
    faulty(
      `the fan-out's connections to the store are slow: what was kept open ends at a sick host`,
      [{ fault: 'host-latency', service: 'dynamodb', function: 'fan-out', delayMs }],
      { audience: { perSecond: 3 } },
    );

/** Nothing is delivered, so nothing is late that could be measured; `restart-functions` helps. */
export const nothingIsDelivered: ScenarioOf = () =>
  faulty(
    `the fan-out's connections to the store: what was kept open ends at a sick host`,
    [{ fault: 'host-outage', service: 'dynamodb', function: 'fan-out' }],
    // Ten seconds of waiting are real ones, and have to be over before the probe's alarm has its three minutes.
    { audience: { perSecond: 3 }, timeScale: 6 },
  );

/** More is published on a channel than can be delivered while posts are slow. */
export const moreThanIsDelivered =
  (perSecond: number, delayMs: number, by: number): ScenarioOf =>
  (row, runbook) => ({
    fault: `each post takes ${delayMs} ms, while ${perSecond} messages a second more are published on a channel`,
    changes: [fewPosts, ...figuresDivided(row, runbook, by)],
    audience: { ...largeRoom, perSecond: 3 },
    async begin(setting) {
      const fault = await inject(setting, [slowPosts(delayMs)]);
      const end = new AbortController();
      const publishing = setting.audience.publish(perSecond, { until: end.signal });
      return together(async () => {
        end.abort();
        await publishing;
      }, fault);
    },
  });

/** One publisher alone is too much for a channel, whatever is done for its delivery. */
export const publisherFloods =
  (perSecond: number, delayMs: number, by: number): ScenarioOf =>
  (row, runbook) => ({
    fault: `a publisher sends ${perSecond} messages a second on a channel, and each post takes ${delayMs} ms`,
    changes: [fewPosts, ...figuresDivided(row, runbook, by)],
    // Two rounds of posts to a message's frame, and one while delivery is scaled up.
    audience: { clients: 20, rooms: 1, perSecond: 3 },
    begin: setting => flooded(setting, perSecond, delayMs),
  });

async function flooded(setting: Setting, perSecond: number, delayMs: number): Promise<Lift> {
  const channel = setting.audience.rooms[0]?.name ?? '';
  const fault = await inject(setting, [slowPosts(delayMs)]);
  const lift = await flood(setting.stage, 1, perSecond, () => channel);
  return together(lift, fault);
}

/** A pile of messages that would take hours to deliver, since each post is slow by itself: they are better read from the log. */
export const pileOfMessages =
  (messages: number, delayMs: number, by: number): ScenarioOf =>
  (row, runbook) => ({
    fault: `${messages} messages come at once, and each post takes ${delayMs} ms`,
    changes: figuresDivided(row, runbook, by),
    audience: { clients: 10, rooms: 1, perSecond: 3 },
    async begin(setting) {
      const channel = setting.audience.rooms[0]?.name ?? '';
      const fault = await inject(setting, [slowPosts(delayMs)]);
      // So many publishers as the frame rate of each allows.
      const pile = await flood(setting.stage, 15, 10, () => channel);
      await sleep((messages * 1_000) / 150);
      await pile();
      return fault;
    },
  });

/**
 * The subscribers of each channel are posted to two at once, so that a frame takes several rounds of posts, and one while
 * delivery is scaled up. An invocation for each channel is at work nine tenths of the time: all of them at once every minute.
 */
interface BusyRoom {
  readonly size: number;
  readonly perSecond: number;
}
const busyPostMs = 100;
/** 0.6 s. */
const busyRoom: BusyRoom = { size: 12, perSecond: 1.3 };
/** 0.3 s, where more would be late. */
export const quickRoom: BusyRoom = { size: 6, perSecond: 2.6 };

/** @param rooms channels that are always being delivered to, beside the probe's */
export const fanOutIsBusy =
  (rooms: number, concurrency: number, { size, perSecond } = busyRoom): ScenarioOf =>
  (_, { settings }) =>
    faulty(`each post takes ${busyPostMs} ms, in ${rooms} channels at once`, [slowPosts(busyPostMs)], {
      changes: [
        settingDivided('Post parallelism', settings.postParallelism / 2),
        settingDivided('Fan-out concurrency', settings.fanOutConcurrency / concurrency),
      ],
      audience: { clients: rooms * size, rooms, perSecond: rooms * perSecond },
      timeScale: 20,
    });

export const nothingIsPublished: ScenarioOf = row => ({
  fault: 'whoever publishes falls silent',
  changes: neverQuiet(row),
  begin: async ({ silencePublisher }) => {
    const resume = silencePublisher();
    return async () => resume();
  },
});

export const poisoned: ScenarioOf = row => ({
  fault: 'something puts messages into the queue that are none',
  changes: neverQuiet(row),
  begin: ({ stage }) => poison(stage, 4),
});
