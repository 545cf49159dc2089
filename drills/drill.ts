import { Audience } from '../bench/audience.ts';
import { steadyClients } from '../bench/steady-client.ts';
import { answer, listIncidents, setSwitch } from '../bin/incident/incidents.ts';
import { findTarget, type Target } from '../bin/incident/target.ts';
import type { Incident } from '../lambdas/shared/incidents.ts';
import { deliveryRates } from '../lib/realtime/delivery-rates.ts';
import { evaluatedSeconds, looksBack } from '../lib/remediation/plan.ts';
import type { AlarmRow, Runbook } from '../lib/runbook/runbook.ts';
import type { DrillAssembly } from './assembly.ts';
import { Course, firingAlarms, type Happening } from './course.ts';
import { environmentName } from './environment.ts';
import type { Scenario } from './scenario.ts';
import { type Stage, startStage } from './stage.ts';
import { judgePages, ladderOf, type Outcome, outcomeOf, type Page, type Pause, playbooksOf } from './verdict.ts';

export interface DrillOptions {
  readonly row: AlarmRow;
  readonly scenario: Scenario;
  readonly copy: DrillAssembly;
  readonly timeScale: number;
  /**
   * `on`: playbooks may run. `off`: a control, in which the same fault must not recover; it is watched for so many minutes from
   * the alarm.
   */
  readonly remediation: 'on' | { readonly offFor: number };
  /** How far an escalation that nobody answers is watched, minutes. */
  readonly ladderMinutes: number;
  /** `minute`: since the fault. */
  readonly onHappening: (happening: Happening & { readonly minute: number }) => void;
}

/** Minutes are CloudWatch's. */
export interface DrillResult {
  readonly outcome: Outcome;
  /** From the fault to the alarm. */
  readonly detectedMinutes: number | null;
  /** From the alarm until its incident was closed; where people had it, from when the fault was lifted. */
  readonly recoveredMinutes: number | null;
  /** What was temporary is given back while the fault may last: whether the alarm fired again soon after. */
  readonly firedAgain: boolean;
  /** Accepted messages that did not come to somebody, or of which somebody was told that they are lost. */
  readonly lostMessages: number;
  readonly acceptedMessages: number;
  readonly playbooks: readonly string[];
  readonly paged: readonly Page[];
  /** Whom the ladder should have reached by then at its minute, and did not; who was told and is not in it. */
  readonly missedPages: readonly string[];
  readonly unaskedPages: readonly string[];
  /** Playbooks whose change was not given back. */
  readonly pendingUndo: readonly string[];
}

/** What one invocation may post, at most: a service that allows many at once has less for each. */
const usual = ({ settings }: Runbook) => ({
  ...{ clients: 60, rooms: 6 },
  perSecond: Math.min(6, deliveryRates(settings).postsPerSecond / 10),
});
const connectsPerSecond = 25;
/** A quarter of an hour is what the census takes for usual, and some alarms look back. */
const calmMinutes = 22;
/** Before the fault, alarms have been there for so long. */
const alarmedMinutes = 4;
/** In which what went wrong at the start has to be over. */
const quietMinutes = 150;
/** Beyond an alarm's own window, in which it has to fire. */
const detectionMinutes = 60;
/** A person who is asked has read the page by then. */
const answerMinutes = 2;
/** `scale-delivery` is given back by half every five minutes. */
const undoMinutes = 45;
/** Beyond an alarm's own window, in which it would fire again. */
const againMinutes = 5;
/** Longer than the queue hides the messages of a fan-out that died with them: until then they are late, and not lost. */
const settleMs = 7 * 60_000;
const minuteMs = 60_000;

const round = (minutes: number): number => Math.round(minutes * 10) / 10;
const windowMinutes = (row: AlarmRow): number => evaluatedSeconds(row) / 60;

/** How long the automation may take: every attempt with its verification, and what they look back on. */
function patienceMinutes(runbook: Runbook, row: AlarmRow): number {
  const { condition, remediation } = row;
  const attempts = remediation.kind === 'playbooks' ? remediation.playbooks.length * remediation.tries : 0;
  const periods = (4 * condition.periodSeconds) / 60;
  return 30 + (attempts + 1) * (looksBack(row, runbook) / 60 + periods + 20);
}

/** @returns the incidents that there were; what is still wrong, though nothing should be, where it does not become quiet */
async function untilQuiet(stage: Stage, target: Target): Promise<readonly Incident[] | { readonly wrong: string }> {
  const until = stage.now() + quietMinutes * minuteMs;
  for (;;) {
    const firing = await firingAlarms(stage);
    const incidents = await listIncidents(target);
    const open = incidents.filter(({ status }) => status !== 'closed');
    if (firing.length === 0 && open.length === 0) return incidents;
    if (stage.now() > until) return { wrong: [...firing, ...open.map(({ record }) => record)].join(', ') };
    await stage.minutes(1);
  }
}

/** What the runbook promises: where it has nothing that changes something, people do. */
export const promised = ({ remediation }: AlarmRow): Outcome =>
  remediation.kind === 'playbooks' && remediation.playbooks.some(({ playbook }) => playbook !== 'diagnose')
    ? 'recovered'
    : 'escalated';

/** Answers for the person who is asked, once for each question. */
function onCall(stage: Stage): (course: Course) => void {
  const answered = new Set<string>();
  return ({ incident, target }) => {
    const askedAt = incident?.approval?.askedAt;
    if (!incident || askedAt === undefined || answered.has(askedAt)) return;
    if (stage.now() - Date.parse(askedAt) < answerMinutes * minuteMs) return;
    answered.add(askedAt);
    const person = { by: 'on-call', at: new Date(stage.now()).toISOString() };
    answer(target, incident, person, true).catch((error: Error) => console.error(`not answered: ${error.message}`));
  };
}

/** Whoever publishes to the audience, at a steady pace. */
class Publishing {
  readonly #audience: Audience;
  readonly #perSecond: number;
  #end = new AbortController();
  #running = Promise.resolve();

  constructor(audience: Audience, perSecond: number) {
    this.#audience = audience;
    this.#perSecond = perSecond;
  }

  start(): void {
    this.#end = new AbortController();
    this.#running = this.#audience.publish(this.#perSecond, { until: this.#end.signal });
  }

  async stop(): Promise<void> {
    this.#end.abort();
    await this.#running;
  }
}

export const notBegun: DrillResult = {
  outcome: 'not begun',
  detectedMinutes: null,
  recoveredMinutes: null,
  firedAgain: false,
  lostMessages: 0,
  acceptedMessages: 0,
  playbooks: [],
  paged: [],
  missedPages: [],
  unaskedPages: [],
  pendingUndo: [],
};

/** Brings one alarm about in an environment of its own, and watches what the platform does. */
export async function runDrill(options: DrillOptions): Promise<DrillResult> {
  const { row, copy, remediation, timeScale } = options;
  const { runbook, assembly } = copy;
  const name = `${runbook.service}-${row.name}${remediation === 'on' ? '' : '-control'}`;
  const stage = await startStage({ runbook, assembly, timeScale, name });
  const ends: (() => void | Promise<void>)[] = [() => stage.end()];
  try {
    return await drillOn(stage, options, end => ends.unshift(end));
  } finally {
    // Each of them, whatever becomes of the others: a stage that is not ended stays.
    const failures: unknown[] = [];
    for (const end of ends) {
      try {
        await end();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) console.error(new AggregateError(failures, `${name}: not ended cleanly`));
  }
}

async function drillOn(
  stage: Stage,
  options: DrillOptions,
  atEnd: (end: () => void | Promise<void>) => void,
): Promise<DrillResult> {
  const { row, scenario, remediation, ladderMinutes } = options;
  const { runbook, told } = options.copy;
  const alarm = `${runbook.service}-${environmentName}-${row.name}`;
  let beganAt = stage.now();
  const happened = (happening: Happening) =>
    options.onHappening({ ...happening, minute: (happening.at - beganAt) / minuteMs });
  const say = (text: string) => happened({ at: stage.now(), kind: 'drill', text });

  const target = await findTarget({ stateDir: stage.stateDirectory });
  // What functions that start cold set off is not the drill's, and must not use up a playbook's cooldown.
  await setSwitch(target, 'off');
  const { perSecond, ...crowd } = { ...usual(runbook), ...scenario.audience };
  const audience = await Audience.gather({ connect: steadyClients(stage), ...crowd, connectsPerSecond });
  atEnd(() => audience.close());
  const publisher = new Publishing(audience, perSecond);
  atEnd(() => publisher.stop());
  publisher.start();
  const background = scenario.background?.(stage);
  atEnd(() => background?.());
  const untilAlarms = (stage.alarmsFrom - stage.now()) / minuteMs + alarmedMinutes;
  await stage.minutes(Math.max(scenario.calmMinutes ?? calmMinutes, untilAlarms));
  const before = await untilQuiet(stage, target);
  if ('wrong' in before) {
    say(`${before.wrong} without a fault: this machine is too busy for a drill`);
    return notBegun;
  }
  const course = new Course({ stage, target, before, alarm, told, onHappening: happened });
  atEnd(() => course.end());
  if (remediation === 'on') await setSwitch(target, 'automatic');

  beganAt = stage.now();
  say(`fault: ${scenario.fault}`);
  const lift = await scenario.begin({
    stage,
    audience,
    silencePublisher() {
      void publisher.stop();
      return () => publisher.start();
    },
  });
  const detected = await course.until(({ firedAt }) => firedAt !== undefined, windowMinutes(row) + detectionMinutes);
  const firedAt = course.firedAt ?? stage.now();
  const sinceAlarm = () => (stage.now() - firedAt) / minuteMs;
  const untilMinute = async (minute: number) => void (await course.until(() => sinceAlarm() >= minute, minute + 1));
  const outcome = detected ? await watch(course, stage, options, untilMinute) : 'not detected';
  const { incident } = course;
  if (outcome === 'recovered') await course.until(({ pendingUndo }) => pendingUndo.length === 0, undoMinutes);
  const firedBefore = course.firings;
  if (outcome === 'recovered') await untilMinute(sinceAlarm() + windowMinutes(row) + againMinutes);
  const firedAgain = course.firings > firedBefore;
  say(`outcome: ${outcome}${firedAgain ? ', and it fired again once what was temporary had been given back' : ''}`);

  // Whoever is still to be told is told until the incident is closed.
  const closedBefore =
    incident?.closedAt === undefined ? undefined : (Date.parse(incident.closedAt) - firedAt) / minuteMs;
  const toldUntil = Math.min(ladderMinutes, closedBefore ?? sinceAlarm());
  const liftedAt = stage.now();
  await lift();
  if (outcome === 'escalated') {
    say('the fault is lifted');
    await course.until(each => each.incident?.status === 'closed', patienceMinutes(runbook, row) + undoMinutes);
  }
  await publisher.stop();
  await audience.settled(settleMs);
  const closedAt = course.incident?.closedAt;
  const paged = course.pages.map(({ at, contact, channel }) => ({
    minute: round((at - firedAt) / minuteMs),
    contact,
    channel,
  }));
  const { missed, unasked } = judgePages(paged, runbook.escalation, row.severity, toldUntil, pausesOf(course, firedAt));
  const from = outcome === 'escalated' ? liftedAt : firedAt;
  return {
    outcome,
    detectedMinutes: detected ? round((firedAt - beganAt) / minuteMs) : null,
    recoveredMinutes: closedAt === undefined ? null : round((Date.parse(closedAt) - from) / minuteMs),
    firedAgain,
    lostMessages: audience.missing + audience.toldOfLoss,
    acceptedMessages: audience.accepted,
    playbooks: course.incident ? playbooksOf(course.incident) : [],
    paged,
    missedPages: detected ? missed : [],
    unaskedPages: unasked,
    pendingUndo: course.pendingUndo,
  };
}

/** When the alarm was OK since it fired. */
const pausesOf = ({ changes }: Course, firedAt: number): Pause[] =>
  changes.flatMap(({ at, isOk }, n) => {
    if (!isOk || at < firedAt) return [];
    const to = changes[n + 1]?.at ?? Number.POSITIVE_INFINITY;
    return [{ from: (at - firedAt) / minuteMs, to: (to - firedAt) / minuteMs }];
  });

/** Waits for what becomes of the incident, and for as long as it has to stay so. */
async function watch(
  course: Course,
  stage: Stage,
  { row, copy, remediation, ladderMinutes }: DrillOptions,
  untilMinute: (minute: number) => Promise<void>,
): Promise<Outcome> {
  const { runbook } = copy;
  const answerFor = onCall(stage);
  const over = await course.until(
    each => {
      answerFor(each);
      return outcomeOf(each.incident) !== undefined;
    },
    patienceMinutes(runbook, row),
  );
  const outcome = outcomeOf(course.incident);
  if (!over || outcome === undefined) return 'not over';
  if (outcome !== 'escalated') return outcome;
  const lastStep = Math.max(0, ...ladderOf(runbook.escalation, row.severity).map(({ minute }) => minute));
  await untilMinute(Math.max(Math.min(ladderMinutes, lastStep) + 5, remediation === 'on' ? 0 : remediation.offFor));
  // The fault lasts: nothing but the platform can have ended it, and it was not to.
  return course.incident?.status === 'closed' && (remediation !== 'on' || promised(row) === 'escalated')
    ? 'cleared'
    : 'escalated';
}
