import { z } from 'zod';

const time = z.string().min(1);

/** What the responder's state machine asks; `now` is when it entered the state, since locally that is not the clock's time. */
export const responderRequest = z.discriminatedUnion('mode', [
  z.object({
    mode: z.literal('open'),
    id: z.string(),
    alarm: z.string(),
    alarmAt: time,
    reason: z.string(),
    severity: z.string(),
    title: z.string(),
    link: z.string(),
    topic: z.string(),
    windowSeconds: z.number(),
    execution: z.string(),
    now: time,
  }),
  z.object({
    mode: z.literal('lock'),
    playbook: z.string(),
    incident: z.string(),
    execution: z.string(),
    cooldownSeconds: z.number(),
    now: time,
  }),
  z.object({
    mode: z.literal('measure'),
    incident: z.string(),
    alarms: z.array(z.string()),
    when: z.string(),
    now: time,
  }),
]);
export type ResponderRequest = z.infer<typeof responderRequest>;
export type OpenRequest = Extract<ResponderRequest, { mode: 'open' }>;
export type LockRequest = Extract<ResponderRequest, { mode: 'lock' }>;
export type MeasureRequest = Extract<ResponderRequest, { mode: 'measure' }>;
