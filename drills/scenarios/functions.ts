import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { probeChannel } from '../../lambdas/shared/rights.ts';
import { arrivals, serverPublications } from '../load.ts';
import type { Lift, Scenario, ScenarioOf, Setting } from '../scenario.ts';
import { figuresDivided, quickHeartbeats, settingDivided } from './changes.ts';
import { faulty, inject, together } from './faulty.ts';

/** Faults of functions: of what their environments keep, and of their releases. */

/** `restart-functions` has what environments keep made anew. */
const sick = (what: string): string => `${what}: what was kept open ends at a sick host`;

export const censusStops: ScenarioOf = () =>
  faulty(sick("the census' connections to the store"), [
    { fault: 'host-outage', service: 'dynamodb', function: 'census' },
  ]);

/** Nobody who is out gets in; who is in stays. */
export const nobodyGetsIn: ScenarioOf = () =>
  faulty(sick("the connect function's connections to the store"), [
    { fault: 'host-outage', service: 'dynamodb', function: 'connect' },
  ]);

/** Of those who come, nobody gets in. */
export const arrivalsRefused =
  (perSecond: number, by: number): ScenarioOf =>
  (row, runbook) => ({
    fault: `${sick("the connect function's connections to the store")}, while ${perSecond} clients come each second`,
    changes: figuresDivided(row, runbook, by),
    async begin(setting) {
      const fault = await connectsAreSick(setting);
      return together(fault, arrivals(setting.stage, perSecond));
    },
  });

/** Has every environment of the connect function open its connections, as a busy day does, and then ends them at a sick host. */
async function connectsAreSick(setting: Setting): Promise<Lift> {
  const { stage } = setting;
  // Each takes long enough for the next to need another environment.
  const slow = await inject(setting, [{ fault: 'function-latency', function: 'connect', delayMs: 700 }]);
  const busy = arrivals(stage, 12);
  await sleep(4_000);
  const sickness = await inject(setting, [{ fault: 'host-outage', service: 'dynamodb', function: 'connect' }]);
  await busy();
  await slow();
  return sickness;
}

/**
 * Clients lose their connection, and do not get in again.
 * @param waves in so many the connections break: more clients at once than there are environments that are sick find new ones, and
 *   those are well
 */
export const lostAndLockedOut =
  (share: number, waves = 1): ScenarioOf =>
  () => ({
    fault: `${Math.round(share * 100)} % of the connections break, and ${sick("the connect function's connections to the store")}`,
    // Clients wait up to 30 real seconds between two attempts.
    timeScale: 20,
    async begin(setting) {
      const lift = await connectsAreSick(setting);
      for (let wave = 0; wave < waves; wave += 1) {
        await inject(setting, [{ fault: 'socket-kill', share: 1 - (1 - share) ** (1 / waves), seed: wave + 1 }]);
        if (waves > 1) await sleep(500);
      }
      return lift;
    },
  });

export const publicationsFail =
  (by: number): ScenarioOf =>
  (row, runbook) =>
    faulty(
      sick("the message function's connections to the queue"),
      [{ fault: 'host-outage', service: 'sqs', function: 'message' }],
      { changes: figuresDivided(row, runbook, by), audience: { perSecond: 10 } },
    );

export const answersAreSlow: ScenarioOf = (_, runbook) =>
  faulty(
    sick("the message function's connections to the store, which is slow"),
    [{ fault: 'host-latency', service: 'dynamodb', function: 'message', delayMs: 1_500 }],
    // Heartbeats need the store, publications do not: most frames are heartbeats then.
    { changes: quickHeartbeats(runbook), audience: { perSecond: 1 } },
  );

export const serverPublicationsFail: ScenarioOf = (row, runbook) => ({
  fault: sick("the publish function's connections to the queue"),
  changes: figuresDivided(row, runbook, 5),
  async begin(setting) {
    // Its environments have connections only once they were used.
    const server = serverPublications(setting.stage, 8);
    await setting.stage.minutes(2);
    const fault = await inject(setting, [{ fault: 'host-outage', service: 'sqs', function: 'publish' }]);
    return together(fault, server);
  },
});

/** Some of its environments are well, so that only some of what they do fails. */
export const someAnswersFail: ScenarioOf = () =>
  faulty(sick("some of the message function's connections to the queue"), [
    { fault: 'host-outage', service: 'sqs', function: 'message', share: 0.5, seed: 1 },
  ]);

/** What a release adds to a function: a look at each event before it is handled. */
const wrapped = (before: string): string =>
  `const released = module.exports.handler;
module.exports = { ...module.exports, handler: async (event, context) => { ${before} return released(event, context); } };`;
/** What the release after it takes back. */
const mended = 'module.exports = { ...module.exports, handler: released };';

/** A release that signs some of its posts wrongly. @param every so many of them */
const missigns = (every: number): string => `const signing = require('node:crypto');
const createHmac = signing.createHmac;
let posts = 0;
signing.createHmac = (...given) => {
  const hmac = createHmac(...given);
  const update = hmac.update.bind(hmac);
  hmac.update = (text, ...more) => {
    const isWrong = String(text).includes('/execute-api/aws4_request') && ++posts % ${every} === 0;
    update(isWrong ? text + ' ' : text, ...more);
    return hmac;
  };
  return hmac;
};`;

/** The clients that those posts were for are closed, and come back. @param by divides figures that count something */
export const releaseMissigns =
  (every: number, by = 1, more: Partial<Scenario> = {}): ScenarioOf =>
  (row, runbook) => ({
    fault: `a release of the fan-out signs every ${every}th post wrongly, so that clients are closed and come back`,
    changes: figuresDivided(row, runbook, by),
    timeScale: 20,
    ...more,
    async begin({ stage }) {
      await stage.release('fan-out', missigns(every));
      return () => stage.release('fan-out', 'signing.createHmac = createHmac;');
    },
  });

/** A release that no longer understands some publications. @param every so many of them */
const misreads = (every: number): string => `let published = 0;
${misreadsWhere(`frame.action === 'publish' && ++published % ${every} === 0`)}`;

const misreadsWhere = (condition: string): string =>
  wrapped(`
  const frame = event.requestContext.eventType === 'MESSAGE' ? JSON.parse(event.body) : {};
  if (${condition}) event = { ...event, body: JSON.stringify({ ...frame, action: 'publsih' }) };
`);

export const releaseMisreads =
  (every: number, by: number): ScenarioOf =>
  (row, runbook) => ({
    fault: `a release of the message function misreads every ${every}th publication`,
    changes: figuresDivided(row, runbook, by),
    async begin({ stage }) {
      await stage.release('message', misreads(every));
      return () => stage.release('message', mended);
    },
  });

/**
 * Only the probe is affected, so that no other alarm's remediation comes first.
 * @param every so many of its publications, of which there is one a minute
 */
export const releaseMisreadsProbe =
  (every: number): ScenarioOf =>
  () => ({
    fault: `a release of the message function misreads ${every === 1 ? 'every' : `every ${every}th`} publication of the probe`,
    async begin({ stage }) {
      // Its environments share them, and count together in a file: they run on one machine here.
      const file = JSON.stringify(join(stage.stateDirectory, 'publications-of-the-probe'));
      const count = `(counted.appendFileSync(${file}, '.'), counted.statSync(${file}).size)`;
      const isIts = `frame.action === 'publish' && frame.channel === '${probeChannel}'`;
      await stage.release(
        'message',
        `const counted = require('node:fs');\n${misreadsWhere(`${isIts} && (${count} - 1) % ${every} === 0`)}`,
      );
      return () => stage.release('message', mended);
    },
  });

/** A release that keeps more with each call; an environment that is new is soon as full as the others. @param share of the function's memory that it comes to */
export const releaseLeaks =
  (share: number): ScenarioOf =>
  (_, { settings }) => ({
    fault: `a release of the fan-out keeps 64 MB more with each call, up to ${Math.round(share * 100)} % of its memory`,
    // Several environments of it share this machine's memory; with less, what is left were too little to rebuild anything.
    changes: [settingDivided('Function memory', settings.functionMemoryMegabytes / 1024)],
    async begin({ stage }) {
      const most = `${share} * Number(context.memoryLimitInMB) * 1024 * 1024`;
      const leak = `const step = 8 * 1024 * 1024;
  const isRoom = ({ heapTotal, external } = process.memoryUsage()) => heapTotal + external + step < ${most};
  for (let n = 0; n < 8 && isRoom(); n += 1) kept.push(Buffer.alloc(step, 1));`;
      await stage.release('fan-out', `const kept = [];\n${wrapped(leak)}`);
      return () => stage.release('fan-out', mended);
    },
  });
