import { setTimeout as sleep } from 'node:timers/promises';
import type { Change } from '../copy.ts';
import { arrivals, forgotten, visitors } from '../load.ts';
import type { Lift, Scenario, ScenarioOf } from '../scenario.ts';
import type { Stage } from '../stage.ts';
import { figuresDivided, maximumDivided, neverQuiet, quickHeartbeats, settingDivided } from './changes.ts';
import { faulty, together } from './faulty.ts';

/** Faults of clients and of their ways to the service. */

/** An application that keeps connections open and forgets them: too many for the census to close them by itself. */
const leaked = 70;
/** Clients of a drill's audience, and the probe. */
const others = 61;
const minuteMs = 60_000;

const forgets = (changes: readonly Change[], begin: Scenario['begin']): Scenario => ({
  fault: `an application forgets ${leaked} connections that it keeps open`,
  changes,
  // It takes 12.5 s of real time to find that somebody is silent.
  timeScale: 20,
  begin,
});

/** @param by divides the threshold, which counts connections */
export const leakToFigure =
  (by: number): ScenarioOf =>
  (row, runbook) =>
    forgets([...quickHeartbeats(runbook), ...figuresDivided(row, runbook, by)], ({ stage }) =>
      forgotten(stage, leaked),
    );

/** Until 97 % of the connections that the service admits are in use. */
export const leakToMaximum: ScenarioOf = (_, runbook) => {
  const maximum = Math.round((leaked + others) / 0.97);
  const heartbeats = quickHeartbeats(runbook).filter(({ row }) => row.startsWith('Heartbeat'));
  const house = maximumDivided(runbook, runbook.settings.maxConnections / maximum);
  return forgets([...heartbeats, ...house], ({ stage }) => forgotten(stage, leaked));
};

/** All of one address, which is then refused. */
export const leakOfAddress: ScenarioOf = (row, runbook) => {
  const changes = [
    ...quickHeartbeats(runbook),
    settingDivided('Maximum connections per address', runbook.settings.maxConnectionsPerAddress / leaked),
    ...figuresDivided(row, runbook, 30),
  ];
  const address = '127.0.2.1';
  return forgets(changes, async ({ stage }) => {
    const held = await forgotten(stage, leaked, address);
    const refused = arrivals(stage, 5, undefined, address);
    return together(refused, held);
  });
};

/** Clients are lost one by one without a word, all the time. They come back; what they leave is found by its silence. */
export const vanishing =
  (everyMs: number): ScenarioOf =>
  (_, runbook) => ({
    fault: `every ${everyMs} ms a connection is lost without a word`,
    changes: quickHeartbeats(runbook),
    audience: { clients: 100, rooms: 10 },
    timeScale: 20,
    async begin({ stage: { faults } }) {
      const lift = repeatedly(
        everyMs,
        async () => void (await faults.inject({ fault: 'socket-half-open', share: 0.011 })),
      );
      return async () => {
        await lift();
        await faults.clear();
      };
    },
  });

function repeatedly(everyMs: number, act: () => Promise<void>): Lift {
  const end = new AbortController();
  const running = (async () => {
    while (!end.signal.aborted) {
      await act();
      await sleep(everyMs);
    }
  })();
  // What fails is told when it is lifted, and does not end other drills of this process.
  running.catch(() => {});
  return async () => {
    end.abort();
    await running;
  };
}

/** Half of the connections lead nowhere; their clients have new ones. */
export const manySilent: ScenarioOf = (_, runbook) =>
  faulty(
    'half of the connections lead nowhere any more, and neither side is told',
    [{ fault: 'socket-half-open', share: 0.5, seed: 1 }],
    {
      changes: quickHeartbeats(runbook),
      // At this scale a census comes every 3 s: so many that each of them finds more silent at once than it may close.
      audience: { clients: 140, rooms: 14 },
      timeScale: 20,
    },
  );

/** Cuts one connection after the other, those that are open for longest. */
const cuts = ({ faults }: Stage, everyMs: number): Lift =>
  repeatedly(everyMs, async () => void (await faults.inject({ fault: 'socket-kill', times: 1 })));

/** A network on the way cuts connections; nothing of ours can mend it. */
export const networkCuts =
  (everyMs: number): ScenarioOf =>
  row => ({
    fault: `every ${everyMs} ms a network on the way cuts a connection`,
    changes: neverQuiet(row),
    audience: { clients: 110, rooms: 11 },
    timeScale: 20,
    begin: async ({ stage }) => cuts(stage, everyMs),
  });

/**
 * A band learns of the three hours before, and takes the new for usual once some of them are like it, a tenth where it is three
 * standard deviations wide: the alarm has fired and people have been told by then.
 */
const bandMinutes = 170;

/** Connections break off more often than the band knows, and still too seldom for an alarm that counts them. */
export const moreCutsThanUsual: ScenarioOf = () => ({
  fault: 'a network on the way, which cuts a connection every other minute, cuts two more each minute',
  calmMinutes: bandMinutes,
  // Of so many clients those of every other minute are as good as none.
  audience: { clients: 160, rooms: 16, perSecond: 2 },
  background: stage => cuts(stage, (2 * minuteMs) / stage.timeScale),
  begin: async ({ stage }) => cuts(stage, minuteMs / 2 / stage.timeScale),
});

/** So many clients that it is beyond what the band knows, and few enough for nothing else to notice when they leave. */
export const moreClientsThanUsual: ScenarioOf = row => ({
  fault: 'eight clients more than usual come and stay',
  changes: neverQuiet(row),
  calmMinutes: bandMinutes,
  begin: ({ stage }) => visitors(stage, 8, 3),
});

/** Clients that come with a token of somebody else's. */
export const wrongTokens =
  (perSecond: number, by: number): ScenarioOf =>
  (row, runbook) => ({
    fault: `${perSecond} clients a second come with tokens that are not good here`,
    changes: figuresDivided(row, runbook, by),
    begin: async ({ stage }) => arrivals(stage, perSecond, 'not.a.token'),
  });
