import type { Quantity } from './quantity.ts';
import { count, milliseconds, seconds } from './quantity.ts';

/** A figure or words that a playbook is called with. */
export type ParameterDefinition =
  | {
      readonly kind: 'figure';
      readonly name: string;
      /** Stands before the figure: `to 5`. */
      readonly keyword?: string;
      readonly quantity: Quantity;
      /** Both ends included, in the quantity's unit. */
      readonly minimum: number;
      readonly maximum: number;
      readonly reason: string;
      /** Taken where a runbook leaves it out; one without is required. */
      readonly default?: number;
    }
  | {
      readonly kind: 'words';
      readonly name: string;
      /** Words that mean something of their own; anything else stands in quotes. */
      readonly keywords: readonly string[];
      readonly maximumLength: number;
      readonly default?: string;
    };

/** Something that the platform does on its own against an alarm. */
export interface PlaybookDefinition {
  readonly does: string;
  readonly parameter?: ParameterDefinition;
  /** Whether what it changes is undone after recovery. */
  readonly temporary: boolean;
}

/** Every playbook, by the name that a runbook gives it. */
export const playbooks = {
  'scale-delivery': {
    does: 'makes so many times the posts at once, from as many batches and with as many parts of the request quota as others leave; large channels get as many shards',
    parameter: {
      kind: 'figure',
      name: 'shards',
      keyword: 'to',
      quantity: count,
      minimum: 2,
      maximum: 64,
      reason: 'one shard is what there is anyway, and more than 64 leave each too small a part of the quota',
    },
    temporary: true,
  },
  'throttle-publishers': {
    does: 'takes one message in this time from a publisher on a channel, and the newest of those that come sooner',
    parameter: {
      kind: 'figure',
      name: 'intervalMs',
      quantity: milliseconds,
      minimum: 10,
      maximum: 60_000,
      reason: 'a throttle of less holds nobody back, and one of more than a minute is an outage',
    },
    temporary: true,
  },
  'evict-stale-connections': {
    does: 'reports connections whose heartbeats stopped, by user and address, and closes them; nobody else',
    temporary: false,
  },
  'flush-backlog': {
    does: 'logs what waits without posting it, and has the subscribers read it from the log; nothing is discarded',
    temporary: true,
  },
  'restart-functions': {
    does: 'has every function environment rebuild its clients and caches',
    temporary: false,
  },
  'rollback-release': {
    does: 'sets all functions back to the versions before the last deployment, if that was so recently',
    parameter: {
      kind: 'figure',
      name: 'withinSeconds',
      keyword: 'within',
      quantity: seconds,
      minimum: 300,
      maximum: 604_800,
      reason: 'a deployment of longer ago than a week is not what broke today',
      default: 3_600,
    },
    temporary: false,
  },
  drain: {
    does: 'admits nobody new, asks all clients to leave and come back, and closes those that stay',
    temporary: true,
  },
  'notify-clients': {
    does: 'sends all clients a notice; the client library obeys `refresh` and `reconnect`, spread over time',
    parameter: { kind: 'words', name: 'notice', keywords: ['refresh', 'reconnect'], maximumLength: 200 },
    temporary: false,
  },
  'degrade-presence': {
    does: 'answers heartbeats without writing them, evicts nobody, and tells clients that presence is not known',
    temporary: true,
  },
  diagnose: {
    does: 'writes to the incident who is affected, since when, what was deployed, and which resources are short',
    temporary: false,
  },
} as const satisfies Readonly<Record<string, PlaybookDefinition>>;

export type PlaybookName = keyof typeof playbooks;

export const playbookNames = Object.keys(playbooks) as PlaybookName[];

export function playbookFor(name: PlaybookName): PlaybookDefinition {
  return playbooks[name];
}
