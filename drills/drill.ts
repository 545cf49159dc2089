import { Audience } from '../bench/audience.ts';
import { steadyClients } from '../bench/steady-client.ts';
import { answer, listIncidents, setSwitch } from '../bin/incident/incidents.ts';
import { findTarget, type Target } from '../bin/incident/target.ts';
import type { Incident } from '../lambdas/shared/incidents.ts';
import type { AlarmRow, Runbook } from '../lib/runbook/runbook.ts';
import type { DrillAssembly } from './assembly.ts';
import { Course, firingAlarms, type Happening } from './course.ts';
import { environmentName } from './environment.ts';
import { expectedPages, lastStepMinute } from './ladder.ts';
import type { Scenario } from './scenario.ts';
import { type Stage, startStage } from './stage.ts';

export interface DrillOptions {
  readonly row: AlarmRow;
  readonly scenario: Scenario;
  readonly copy: DrillAssembly;
  readonly timeScale: number;
  /** Whether playbooks may run. Without, the same fault must not recover. */
  readonly remediation: boolean;
  /** How far an escalation that nobody answers is watched, minutes. */
  readonly ladderMinutes: number;
  /** `minute`: since the fault. */
  readonly onHappening: (happening: Happening & { readonly minute: number }) => void;
}

/** `not over`: neither recovered nor with people when it should have been. `not begun`: something was wrong without a fault. */
export type Outcome = 'recovered' | 'escalated' | 'not detected' | 'not over' | 'not begun';

export interface DrillPage {
  /** From the alarm. */
  readonly minute: number;
  readonly contact: string;
  readonly channel: string;
}

/** Minutes are CloudWatch's. */
export interface DrillResult {
  readonly outcome: Outcome;
  /** From the fault to the alarm. */
  readonly detectedMinutes: number | null;
  /** From the alarm until its incident was closed; where people had it, from when the fault was lifted. */
  readonly recoveredMinutes: number | null;
  /** Accepted messages that did not come to somebody, or of which somebody was told that they are lost. */
  readonly lostMessages: number;
  readonly acceptedMessages: number;
  readonly playbooks: readonly string[];
  readonly paged: readonly DrillPage[];
  /** Whom the ladder should have reached by then, and did not. */
  readonly missedPages: readonly string[];
  /** Playbooks whose change was not given back. */
  readonly pendingUndo: readonly string[];
}

const usual = { clients: 60, rooms: 6, perSecond: 6 };
const connectsPerSecond = 25;
/** Alarms are there five minutes after the start, and a quarter of an hour is what the census takes for usual. */
const calmMinutes = 22;
/** A person who is asked has read the page by then. */
const answerMinutes = 2;
/** `scale-delivery` is given back by half every five minutes. */
const undoMinutes = 45;
/** In which what went wrong at the start has to be over. */
const quietMinutes = 90;
const settleMs = 30_000;
const minuteMs = 60_000;

const round = (minutes: number): number => Math.round(minutes * 10) / 10;

/** How long the automation may take: every attempt with its verification, and what they look back on. */
function patienceMinutes({ recovery }: Runbook, { condition, remediation }: AlarmRow): number {
  const looksBack = Math.max(
    (condition.periodSeconds * condition.periods) / 60,
    ...recovery.flatMap(criterion =>
      criterion.kind === 'signal' ? [(criterion.condition.periodSeconds * criterion.condition.periods) / 60] : [],
    ),
  );
  const attempts = remediation.kind === 'playbooks' ? remediation.playbooks.length * remediation.tries : 0;
  const periods = (4 * condition.periodSeconds) / 60;
  return 30 + (attempts + 1) * (looksBack + periods + 20);
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

/** Waits for what becomes of the incident. */
async function outcomeOf(course: Course, stage: Stage, { row, copy }: DrillOptions): Promise<Outcome> {
  let answeredAt: string | undefined;
  const over = await course.until(
    ({ incident, target }) => {
      const askedAt = incident?.approval?.askedAt;
      if (incident && askedAt !== undefined && askedAt !== answeredAt) {
        if (stage.now() - Date.parse(askedAt) < answerMinutes * minuteMs) return false;
        answeredAt = askedAt;
        void answer(target, incident, { by: 'on-call', at: new Date(stage.now()).toISOString() }, true);
      }
      return incident?.status === 'closed' || incident?.status === 'escalated';
    },
    patienceMinutes(copy.runbook, row),
  );
  if (!over) return 'not over';
  return course.incident?.status === 'closed' ? 'recovered' : 'escalated';
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

const notBegun: DrillResult = {
  outcome: 'not begun',
  detectedMinutes: null,
  recoveredMinutes: null,
  lostMessages: 0,
  acceptedMessages: 0,
  playbooks: [],
  paged: [],
  missedPages: [],
  pendingUndo: [],
};

/** Brings one alarm about in an environment of its own, and watches what the platform does. */
export async function runDrill(options: DrillOptions): Promise<DrillResult> {
  const { row, scenario, copy, remediation, ladderMinutes } = options;
  const { runbook, assembly, told } = copy;
  const timeScale = Math.min(options.timeScale, scenario.timeScale ?? Number.POSITIVE_INFINITY);
  const alarm = `${runbook.service}-${environmentName}-${row.name}`;
  const stage = await startStage({ runbook, assembly, timeScale, name: `${runbook.service}-${row.name}` });
  const ends: (() => void | Promise<void>)[] = [() => stage.end()];
  try {
    let beganAt = stage.now();
    const happened = (happening: Happening) =>
      options.onHappening({ ...happening, minute: (happening.at - beganAt) / minuteMs });
    const say = (text: string) => happened({ at: stage.now(), kind: 'drill', text });

    const target = await findTarget({ stateDir: stage.stateDirectory });
    // What functions that start cold set off is not the drill's, and must not use up a playbook's cooldown.
    await setSwitch(target, 'off');
    const { perSecond, ...crowd } = { ...usual, ...scenario.audience };
    const audience = await Audience.gather({ connect: steadyClients(stage), ...crowd, connectsPerSecond });
    ends.unshift(() => audience.close());
    const publisher = new Publishing(audience, perSecond);
    ends.unshift(() => publisher.stop());
    publisher.start();
    await stage.minutes(calmMinutes + (scenario.calmMinutes ?? 0));
    const before = await untilQuiet(stage, target);
    if ('wrong' in before) {
      say(`${before.wrong} without a fault: this machine is too busy for a drill`);
      return notBegun;
    }
    const course = Course.follow({ stage, target, before, alarm, told, onHappening: happened });
    ends.unshift(() => course.end());
    if (remediation) await setSwitch(target, 'automatic');

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
    const window = (row.condition.periodSeconds * row.condition.periods) / 60;
    const detected = await course.until(
      ({ firedAt }) => firedAt !== undefined,
      window + (scenario.patienceMinutes ?? 60),
    );
    const firedAt = course.firedAt ?? stage.now();
    let outcome: Outcome = detected ? await outcomeOf(course, stage, options) : 'not detected';
    let liftedAt: number | undefined;
    if (outcome === 'recovered') await course.until(({ pendingUndo }) => pendingUndo.length === 0, undoMinutes);
    if (outcome === 'escalated') {
      const lastMinute = Math.min(ladderMinutes, lastStepMinute(runbook, row.severity)) + 3;
      await course.until(() => stage.now() - firedAt >= lastMinute * minuteMs, lastMinute + 1);
      // It may have closed meanwhile: then nobody was needed after all.
      if (course.incident?.status === 'closed') outcome = 'recovered';
    }
    say(`outcome: ${outcome}`);
    const watchedMinutes = (stage.now() - firedAt) / minuteMs;
    await lift();
    if (outcome === 'escalated') {
      liftedAt = stage.now();
      say('the fault is lifted');
      await course.until(({ incident }) => incident?.status === 'closed', patienceMinutes(runbook, row) + undoMinutes);
    }
    await publisher.stop();
    await audience.settled(settleMs);
    const { closedAt } = course.incident ?? {};
    const ladder = expectedPages(runbook, row.severity, Math.min(ladderMinutes, watchedMinutes));
    return {
      outcome,
      detectedMinutes: detected ? round((firedAt - beganAt) / minuteMs) : null,
      recoveredMinutes:
        closedAt === undefined ? null : round((Date.parse(closedAt) - (liftedAt ?? firedAt)) / minuteMs),
      lostMessages: audience.missing + audience.toldOfLoss,
      acceptedMessages: audience.accepted,
      playbooks: course.playbooks,
      paged: course.pages.map(({ at, contact, channel }) => ({
        minute: round((at - firedAt) / minuteMs),
        contact,
        channel,
      })),
      missedPages: detected
        ? ladder
            .filter(step => !course.pages.some(page => page.contact === step.contact && page.channel === step.channel))
            .map(({ contact, channel, minute }) => `${contact} by ${channel} at ${minute} min`)
        : [],
      pendingUndo: course.pendingUndo,
    };
  } finally {
    for (const end of ends) await end();
  }
}
