import { z } from 'zod';

/**
 * An incident in the Operations table, `incident#<id>`. The state machines write it by `UpdateItem`, field by field, and go
 * on where the store fails: so anything but the key may be missing.
 */

export const incidentRecord = (id: string): string => `incident#${id}`;
/** Names the incident that is open for an alarm, and the execution that works on it. */
export const openRecord = (alarm: string): string => `open#${alarm}`;
/** Who runs a playbook, or when it was last run. */
export const lockRecord = (playbook: string): string => `lock#${playbook}`;

/** How long incidents are kept: as long as anybody compares a quarter with the one of the year before. */
export const incidentKeptMs = 365 * 24 * 60 * 60_000;

/** How long a person has to approve; no answer is a no. */
export const approvalSeconds = 30 * 60;

/**
 * `open`: the responder works on it. `escalated`: people do, `stopped`: a person ended the automation, `superseded`: a more
 * severe alarm of the same signal has an incident of its own; all three are watched, and closed when all is well again.
 */
export const incidentStatuses = ['open', 'escalated', 'stopped', 'superseded', 'closed'] as const;
export type IncidentStatus = (typeof incidentStatuses)[number];

/** ISO 8601. What Step Functions and CloudWatch tell: locally that is monitoring time, so never compare it with the clock. */
const time = z.string();

export const timelineEntry = z.object({
  at: time,
  kind: z.enum(['alarm', 'page', 'diagnosis', 'decision', 'action', 'values', 'verification', 'person', 'failure']),
  text: z.string(),
});
export type TimelineEntry = z.infer<typeof timelineEntry>;

/** How the timeline's entry begins that a playbook is run; its name and parameters follow. */
export const runsPlaybook = 'runs ';
/** How the timeline's entry begins that people have it from here on. */
export const nothingAutomaticIsLeft = 'nothing automatic is left';

/** A change to give back. */
export const pendingUndo = z.object({
  playbook: z.string(),
  /** ARN of its state machine. */
  machine: z.string(),
  /** What the playbook told as its change, JSON text. */
  change: z.string(),
});
export type PendingUndo = z.infer<typeof pendingUndo>;

const byPerson = z.object({ by: z.string(), at: time });

export const incidentSchema = z.object({
  record: z.string().transform(record => record.replace(/^incident#/, '')),
  status: z.enum(incidentStatuses).default('open'),
  /** The alarm's full name. */
  alarm: z.string().default(''),
  severity: z.string().default(''),
  /** What the alarm says, in words. */
  title: z.string().default(''),
  link: z.string().default(''),
  reason: z.string().default(''),
  /** When the alarm changed its state. */
  alarmAt: time.optional(),
  /** How long the condition had held by then at least, seconds. */
  windowSeconds: z.number().default(0),
  openedAt: time.optional(),
  pagedAt: time.optional(),
  closedAt: time.optional(),
  /** How it ended, in words. */
  ending: z.string().optional(),
  execution: z.string().optional(),
  /** Topic of those who are told at once. */
  topic: z.string().optional(),
  /** The next attempt of the plan. */
  position: z.number().default(0),
  timeline: z.array(timelineEntry).default([]),
  /** By the attempt that made the change. */
  undo: z.record(z.string(), pendingUndo).default({}),
  approval: z.object({ token: z.string(), playbook: z.string(), askedAt: time }).optional(),
  acknowledged: byPerson.optional(),
  stop: byPerson.optional(),
  /** What a person has to see, and has ticked. */
  confirmations: z.record(z.string(), byPerson).default({}),
  /** Whether somebody was told of it. */
  announced: z.boolean().default(false),
  /** Topic and channel of those whom the escalation told, and the topics that reach them at once, as JSON. */
  paged: z.set(z.string()).default(new Set()),
  /** More severe alarms of the same signal. */
  supersededBy: z.set(z.string()).default(new Set()),
  /** For how many runs of the reconciler all was well. */
  quiet: z.number().default(0),
  takeovers: z.number().default(0),
});
export type Incident = z.output<typeof incidentSchema>;

/** The last change first, as they are undone. */
export const undoOrder = ({ undo }: Pick<Incident, 'undo'>): (PendingUndo & { readonly key: string })[] =>
  Object.entries(undo)
    .map(([key, pending]) => ({ key, ...pending }))
    .sort((one, other) => Number(other.key) - Number(one.key));

/** How many polls, a minute apart, have to find all alarms OK: three periods of the alarm that began after the action. */
export const pollsToBelieve = (periodSeconds: number): number => Math.ceil((2 * periodSeconds) / 60) + 1;
