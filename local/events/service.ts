import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { Place, Resource } from '../assembly/resource.ts';
import {
  type Authorization,
  type AwsCall,
  AwsError,
  type AwsReply,
  type AwsService,
  type Principal,
} from '../aws/service.ts';
import { type FaultSource, noFaults } from '../faults/points.ts';
import type { MonitoringClock } from '../monitoring-clock.ts';
import { runSchedule } from '../scheduler/schedule-expression.ts';
import type { EventBus, ServiceEvent } from '../stepfunctions/event-bus.ts';
import { Deliveries, type DeliveryOptions } from './deliveries.ts';
import { type Rule, readRules } from './rules.ts';
import type { BusEvent } from './target-input.ts';

export interface EventsOptions extends Omit<DeliveryOptions, 'clock'> {
  /** All resources of the template; those of other types are left alone. */
  readonly resources: readonly Resource[];
  readonly place: Place;
  readonly authorization: Authorization;
  readonly clock: MonitoringClock;
  /** On AWS events come at least once, and nothing says how late: here they come twice, late or not at all by order. */
  readonly faults?: FaultSource;
}

/** EventBridge's default bus with the rules of the template. */
export interface Events extends AwsService, EventBus {
  /** Ends the schedules and waits for the deliveries under way. */
  close(): Promise<void>;
}

/** "PutEvents": 10 entries, 1 MB together. */
const maxEntries = 10;
const maxBytes = 1024 * 1024;

const entry = z.strictObject({
  Source: z.string().min(1).max(256),
  DetailType: z.string().min(1).max(128),
  Detail: z.string(),
  EventBusName: z.string().optional(),
  Resources: z.array(z.string()).default([]),
  // The JSON protocol tells times in seconds; a state machine as text.
  Time: z
    .union([z.number().transform(seconds => seconds * 1000), z.iso.datetime({ offset: true }).transform(Date.parse)])
    .optional(),
  TraceHeader: z.unknown().optional(),
});

/**
 * Starts the rules of the template.
 * @throws TemplateError that names stack, logical id and property of what is wrong or cannot be run here
 */
export function startEvents(options: EventsOptions): Events {
  return new EventsService(readRules(options.resources), options);
}

class EventsService implements Events {
  readonly #rules: readonly Rule[];
  readonly #options: EventsOptions;
  readonly #deliveries: Deliveries;
  readonly #cancels = new Set<() => void>();
  #isClosed = false;

  constructor(rules: readonly Rule[], options: EventsOptions) {
    this.#rules = rules.filter(({ isEnabled }) => isEnabled);
    this.#options = options;
    this.#deliveries = new Deliveries(options);
    for (const rule of this.#rules) {
      if (rule.schedule) this.#cancels.add(runSchedule(rule.schedule, options.clock, () => this.#fire(rule)));
    }
  }

  async handle({ principal, headers, body }: AwsCall): Promise<AwsReply> {
    const [, action = ''] = String(headers['x-amz-target'] ?? '').split('.');
    if (action !== 'PutEvents')
      throw new AwsError(
        'UnknownOperationException',
        `The local environment does not run the EventBridge action ${action}.`,
      );
    let request: unknown;
    try {
      request = JSON.parse(body.toString());
    } catch {
      throw new AwsError('SerializationException', 'The request body is not JSON.');
    }
    const parsed = z.looseObject({ Entries: z.array(z.record(z.string(), z.unknown())) }).safeParse(request);
    if (!parsed.success) throw new AwsError('ValidationException', z.prettifyError(parsed.error));
    return {
      status: 200,
      headers: { 'content-type': 'application/x-amz-json-1.1' },
      body: JSON.stringify(await this.putEvents(parsed.data.Entries, principal)),
    };
  }

  async putEvents(entries: readonly Readonly<Record<string, unknown>>[], principal: Principal) {
    const { authorization, place } = this.#options;
    const bus = `arn:${place.partition}:events:${place.region}:${place.account}:event-bus/default`;
    await authorization.authorize({ principal, action: 'events:PutEvents', resource: bus });
    if (entries.length === 0 || entries.length > maxEntries)
      throw new AwsError('ValidationException', `Entries must have 1 to ${maxEntries} members, not ${entries.length}`);
    if (Buffer.byteLength(JSON.stringify(entries)) > maxBytes)
      throw new AwsError(
        'ValidationException',
        `Total size of the entries in the request is over the limit of ${maxBytes} bytes.`,
      );
    const results = entries.map(each => {
      const refused = (ErrorCode: string, ErrorMessage: string) => ({ ErrorCode, ErrorMessage });
      const parsed = entry.safeParse(each);
      if (!parsed.success) return refused('InvalidArgument', z.prettifyError(parsed.error));
      const { Source, DetailType, Detail, EventBusName = 'default', Resources, Time } = parsed.data;
      if (EventBusName !== 'default' && EventBusName !== bus)
        return refused('ResourceNotFoundException', `The local environment does not run the event bus ${EventBusName}`);
      if (Source.startsWith('aws.'))
        return refused('NotAuthorizedForSourceException', 'Not authorized for the source.');
      let detail: unknown;
      try {
        detail = JSON.parse(Detail);
      } catch {
        return refused('MalformedDetail', 'Detail is malformed.');
      }
      const event = this.#event({
        source: Source,
        'detail-type': DetailType,
        resources: Resources,
        detail: detail as object,
        ...(Time !== undefined && { time: Time }),
      });
      this.#accept(event);
      return { EventId: event.id };
    });
    return { FailedEntryCount: results.filter(result => 'ErrorCode' in result).length, Entries: results };
  }

  putEvent(event: ServiceEvent): void {
    this.#accept(this.#event(event));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const cancel of this.#cancels) cancel();
    await this.#deliveries.close();
  }

  #event({ time, ...event }: ServiceEvent): BusEvent {
    const { clock, place } = this.#options;
    return {
      version: '0',
      id: randomUUID(),
      'detail-type': event['detail-type'],
      source: event.source,
      account: place.account,
      time: new Date(time ?? clock.now()).toISOString().replace(/\.\d+Z$/, 'Z'),
      region: place.region,
      resources: event.resources,
      detail: event.detail,
    };
  }

  #accept(event: BusEvent): void {
    const { faults = noFaults } = this.#options;
    const fault = faults.draw('event', () => ({ source: event.source, detailType: event['detail-type'] }));
    if (this.#isClosed || fault?.lost) return;
    const times = fault?.twice ? 2 : 1;
    const delayMs = fault?.delayMs ?? 0;
    for (let index = 0; index < times; index += 1) {
      if (delayMs === 0) {
        this.#route(event);
        continue;
      }
      const cancel = this.#options.clock.schedule(delayMs, () => {
        this.#cancels.delete(cancel);
        this.#route(event);
      });
      this.#cancels.add(cancel);
    }
  }

  #route(event: BusEvent): void {
    for (const rule of this.#rules) {
      if (rule.matches?.(event)) for (const target of rule.targets) this.#deliveries.start(event, rule, target);
    }
  }

  /** "Creating a rule that runs on a schedule": the event goes to the rule's own targets only. */
  #fire(rule: Rule): void {
    const event = this.#event({
      source: 'aws.events',
      'detail-type': 'Scheduled Event',
      resources: [rule.arn],
      detail: {},
    });
    for (const target of rule.targets) this.#deliveries.start(event, rule, target);
  }
}
