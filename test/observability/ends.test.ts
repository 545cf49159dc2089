import { readAssembly } from '../../local/assembly/assembly.ts';
import type { Place, Resource } from '../../local/assembly/resource.ts';
import { stateChangeEvent } from '../../local/cloudwatch/alarm-event.ts';
import { Alarms, type Mute } from '../../local/cloudwatch/alarms.ts';
import type { AlarmState } from '../../local/cloudwatch/evaluation.ts';
import { identities as cloudWatchIdentities } from '../../local/cloudwatch/identities.ts';
import { MetricStore } from '../../local/cloudwatch/metric-store.ts';
import { identities as eventsIdentities } from '../../local/events/rules.ts';
import { startEvents } from '../../local/events/service.ts';
import { createAuthorization } from '../../local/iam/policies.ts';
import { identities as kmsIdentities, readKeys } from '../../local/kms/keys.ts';
import { createMonitoringClock } from '../../local/monitoring-clock.ts';
import { identities as snsIdentities } from '../../local/sns/identities.ts';
import { startSns } from '../../local/sns/service.ts';
import { readable } from '../alarms/runner.ts';
import { removeSynthesized, services, synthesized } from './synthesized.ts';

jest.setTimeout(60_000);
afterAll(removeSynthesized);

const never = () => Promise.reject(new Error('nothing but topics is told'));
const identities = readable({ ...cloudWatchIdentities, ...eventsIdentities, ...kmsIdentities, ...snsIdentities });

/** What the topics of a service publish where one of its alarms changes its state, with all policies in force. */
class Ends {
  readonly resources: readonly Resource[];
  readonly #place: Place;

  constructor(directory: string) {
    const { resources, place } = readAssembly(directory, identities);
    this.resources = resources;
    this.#place = place;
  }

  alarms(): Resource[] {
    return this.resources.filter(({ type }) => /^AWS::CloudWatch::(Composite)?Alarm$/.test(type));
  }

  /** @param mute the window that the alarm is muted in meanwhile */
  async told(
    alarm: Resource,
    states: readonly AlarmState[],
    mute?: Mute,
  ): Promise<{ topic: string; message: string }[]> {
    const told: { topic: string; message: string }[] = [];
    const log: string[] = [];
    const write = (_: string, component: string, message: string) => log.push(`${component}: ${message}`);
    const resources = this.resources.filter(
      ({ stack, type }) => stack.endsWith('Observability') && /^AWS::(SNS|KMS|Events)::/.test(type),
    );
    const common = { resources, place: this.#place, log: write };
    const authorization = createAuthorization(common);
    const keys = readKeys(resources, authorization);
    const sns = await startSns({ ...common, authorization, keys, sqs: { deliver: never }, invoker: { invoke: never } });
    const events = startEvents({
      ...common,
      authorization,
      lambda: { invokeAsync: never },
      stepFunctions: { startExecution: never },
      sqs: { deliver: never },
      sns: {
        publish: async (topic, publication, principal) => {
          const answer = await sns.publish(topic, publication, principal);
          told.push({ topic: topic.slice(topic.lastIndexOf(':') + 1), message: publication.message });
          return answer;
        },
      },
      clock: createMonitoringClock(1),
    });
    const alarms = new Alarms([alarm], { metrics: new MetricStore(), startedAt: Date.UTC(2030, 0, 1) });
    const [declared] = alarms.all;
    if (!declared) throw new Error(`${alarm.physicalId} is not a metric alarm`);
    let previous = alarms.status(declared.name);
    for (const state of states) {
      const current = { ...previous, state };
      events.putEvent(stateChangeEvent({ alarm: declared, previous, current, mute }));
      previous = current;
    }
    await events.close();
    await sns.close();
    expect(log.filter(line => line.startsWith('events: '))).toEqual([]);
    return told;
  }
}

describe.each(services)('%s', service => {
  let ends: Ends;
  let platform: Resource[];
  beforeAll(async () => {
    const { directory } = await synthesized(service, 'prod');
    ends = new Ends(directory);
    platform = ends.alarms().filter(({ physicalId }) => physicalId.startsWith('platform-'));
  });

  it('has no alarm that tells that it is OK where it never fired', () => {
    expect(ends.alarms().length).toBeGreaterThan(50);
    for (const { physicalId, properties } of ends.alarms())
      expect([physicalId, properties.OKActions]).toEqual([physicalId, undefined]);
  });

  it('tells of each platform alarm that it is over, to those who were told that it fires', async () => {
    expect(platform.filter(({ stack }) => stack.endsWith('Remediation')).length).toBeGreaterThan(10);
    for (const alarm of platform) {
      const [topic = ''] = alarm.properties.AlarmActions as string[];
      const told = await ends.told(alarm, ['OK', 'ALARM', 'OK']);
      expect([alarm.physicalId, told]).toEqual([
        alarm.physicalId,
        [{ topic: topic.slice(topic.lastIndexOf(':') + 1), message: expect.stringContaining(alarm.physicalId) }],
      ]);
    }
  });

  it('tells nothing of a platform alarm that is muted', async () => {
    const [alarm] = platform;
    if (!alarm) throw new Error('no platform alarm');
    const window = { start: 0, end: Number.POSITIVE_INFINITY };
    const rule = { arn: 'arn', name: 'night', resource: alarm, alarms: new Set([alarm.physicalId]), recurring: false };
    const forever = { startsAt: window.start, expiresAt: window.end, windowAt: () => window };
    const mute: Mute = { rule: { ...rule, ...forever }, start: 0, end: 3_600_000 };
    expect(await ends.told(alarm, ['OK', 'ALARM', 'OK'])).toHaveLength(1);
    expect(await ends.told(alarm, ['OK', 'ALARM', 'OK'], mute)).toEqual([]);
  });

  it('tells nothing of other alarms by events, nor of the first evaluation', async () => {
    const [alarm] = platform;
    if (!alarm) throw new Error('no platform alarm');
    expect(await ends.told(alarm, ['OK'])).toEqual([]);
    expect(await ends.told(alarm, ['ALARM'])).toEqual([]);
    const others = ends
      .alarms()
      .filter(({ physicalId, type }) => !physicalId.startsWith('platform-') && type === 'AWS::CloudWatch::Alarm');
    for (const other of others.slice(0, 3)) expect(await ends.told(other, ['OK', 'ALARM', 'OK'])).toEqual([]);
  });
});
