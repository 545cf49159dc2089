import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App } from 'aws-cdk-lib';
import cdkJson from '../../cdk.json' with { type: 'json' };
import own from '../../lib/config/environments.ts';
import { serviceApp } from '../../lib/service-app.ts';
import { readAssembly } from '../../local/assembly/assembly.ts';
import type { Resource } from '../../local/assembly/resource.ts';
import type { Principal } from '../../local/aws/service.ts';
import type { MonitoringClock } from '../../local/monitoring-clock.ts';
import { identities as snsIdentities } from '../../local/sns/identities.ts';
import { type Sns, startSns } from '../../local/sns/service.ts';
import { readDefinition } from '../../local/stepfunctions/definition.ts';
import { History } from '../../local/stepfunctions/history.ts';
import { identities as stepFunctionsIdentities } from '../../local/stepfunctions/identities.ts';
import { Interpreter } from '../../local/stepfunctions/interpreter.ts';
import { fill } from '../../local/stepfunctions/payload.ts';
import { readable } from '../alarms/runner.ts';
import { type Row, readRunbookText } from './runbook-text.ts';
import { runbooks, services } from './synthesized.ts';

jest.setTimeout(60_000);

// Who is really reached: the synthesized state machines and topics with their filters, on the local Step Functions and SNS. Each
// contact has another address on each channel, so that an address says who it is.

const env = 'prod';
const severities = ['P0', 'P1', 'P2', 'P3'];
const directory = mkdtempSync(join(tmpdir(), 'channels-'));
afterAll(() => rmSync(directory, { recursive: true }));

const channelOf = { slack: 'Slack', pagerduty: 'PagerDuty', email: 'email', sms: 'SMS', phone: 'phone' } as const;
const prod = own.find(({ name }) => name === env);
const contacts = Object.fromEntries(
  Object.keys(prod?.contacts ?? {}).map((name, index) => {
    const number = (last: number) => `+1202555${String(1000 + index * 10 + last)}`;
    const addresses = {
      slack: `${name}@slack.example.com`,
      pagerduty: `https://pager.example.com/${name}`,
      email: `${name}@example.com`,
      sms: number(1),
      phone: number(2),
    };
    return [name, addresses];
  }),
);
const byEndpoint = new Map(
  Object.entries(contacts).flatMap(([contact, addresses]) =>
    Object.entries(addresses).map(([field, endpoint]) => [
      endpoint,
      `${contact} ${channelOf[field as keyof typeof channelOf]}`,
    ]),
  ),
);

const kept = new Map<string, Promise<readonly Resource[]>>();

function resourcesOf(service: string): Promise<readonly Resource[]> {
  const found = kept.get(service) ?? synthesize(service);
  kept.set(service, found);
  return found;
}

async function synthesize(service: string): Promise<readonly Resource[]> {
  const outdir = join(directory, service);
  const environments = join(directory, 'environments.json');
  writeFileSync(environments, JSON.stringify([{ ...prod, contacts }]));
  const context = { ...cdkJson.context, 'aws:cdk:bundling-stacks': [] };
  const app = new App({ outdir, context, analyticsReporting: false });
  await serviceApp(app, { service, env, runbooks, environments, anonymous: false });
  app.synth();
  return readAssembly(outdir, readable({ ...snsIdentities, ...stepFunctionsIdentities })).resources;
}

/** Time that passes only where something waits for it. */
class JumpingClock implements MonitoringClock {
  readonly scale = 1;
  readonly start = 0;
  #now = 0;
  now = () => this.#now;
  at = (realMs: number) => realMs;
  schedule(delayMs: number, callback: () => void): () => void {
    const timer = setImmediate(() => {
      this.#now += delayMs;
      callback();
    });
    return () => clearImmediate(timer);
  }
}

interface Told {
  readonly minute: number;
  readonly who: readonly string[];
}

/** Whoever is told twice at one minute, and by what, in order. */
const sorted = (told: readonly Told[]): Told[] =>
  told
    .map(({ minute, who }) => ({ minute, who: [...who].sort() }))
    .sort((a, b) => a.minute - b.minute || a.who.join().localeCompare(b.who.join()));

class Service {
  readonly resources: readonly Resource[];
  readonly #prefix: string;
  #sns: Sns | undefined;
  #reached: string[] = [];
  /** What the incident's record has of those who were paged. */
  readonly paged = new Set<string>();

  constructor(service: string, resources: readonly Resource[]) {
    this.#prefix = `${service}-${env}`;
    this.resources = resources;
  }

  topic(name: string): string {
    const found = this.resources.find(
      ({ type, properties }) => type === 'AWS::SNS::Topic' && properties.TopicName === `${this.#prefix}-${name}`,
    );
    if (!found) throw new Error(`no topic ${name}`);
    return found.physicalId;
  }

  /** Publishes, and says who got it. */
  async publish(topicArn: string, attributes?: Record<string, { Type: string; Value: string }>): Promise<string[]> {
    this.#sns ??= await startSns({
      resources: this.resources.filter(({ type }) => type.startsWith('AWS::SNS::')),
      sqs: { deliver: () => Promise.reject(new Error('nobody is a queue')) },
      invoker: { invoke: () => Promise.reject(new Error('nobody is a function')) },
      authorization: { authorize: async () => {} },
      log: (_level, _component, _message, fields = {}) => {
        this.#reached.push(byEndpoint.get(String((fields as { endpoint: string }).endpoint)) ?? JSON.stringify(fields));
      },
    });
    const principal: Principal = { kind: 'service', service: 'cloudwatch.amazonaws.com', sourceArn: topicArn };
    this.#reached = [];
    await this.#sns.publish(topicArn, { message: 'x', ...(attributes && { attributes }) }, principal);
    await this.#sns.close();
    return this.#reached;
  }

  /** Ends an incident whose record has that. */
  end(severity: string, record: object) {
    const topic = this.topic(severity.toLowerCase());
    const input = { id: 'I', alarm: 'A', topic, ending: 'recovered', says: '…', undo: [] };
    return this.run('closure', input, Number.POSITIVE_INFINITY, record);
  }

  /** Runs a state machine; the incident is open for as many looks as are said. */
  async run(
    name: string,
    input: object,
    looks = Number.POSITIVE_INFINITY,
    record: object = {},
    isAlarmOk: (minute: number) => boolean = () => false,
  ) {
    const machine = this.resources.find(({ properties }) => properties.StateMachineName === `${this.#prefix}-${name}`);
    if (!machine) throw new Error(`no state machine ${name}`);
    const clock = new JumpingClock();
    const told: Told[] = [];
    const started: { minute: number; input: Record<string, unknown> }[] = [];
    let left = looks;
    const interpreter = new Interpreter({
      clock,
      history: new History(clock.now),
      runTask: async ({ state, input: given, context }) => {
        // biome-ignore lint/suspicious/noExplicitAny: parameters of every service.
        const parameters = fill(state.Parameters, { input: given, context }) as any;
        const minute = clock.now() / 60_000;
        const resource = state.Resource?.replace('arn:aws:states:::', '');
        if (resource === 'sns:publish') {
          const channels = parameters.MessageAttributes?.channels;
          const attributes = channels && { channels: { Type: channels.DataType, Value: channels.StringValue } };
          told.push({ minute, who: await this.publish(parameters.TopicArn, attributes) });
        } else if (resource === 'states:startExecution') started.push({ minute, input: parameters.Input });
        else if (resource === 'dynamodb:updateItem') {
          const { UpdateExpression, ExpressionAttributeValues } = parameters;
          if (/ADD #paged :paged/.test(UpdateExpression))
            for (const entry of ExpressionAttributeValues[':paged'].SS) this.paged.add(entry);
        } else if (resource === 'dynamodb:getItem') {
          left -= 1;
          const status = { S: left < 0 ? 'closed' : 'open' };
          return { Item: { status, ...(this.paged.size > 0 && { paged: { SS: [...this.paged] } }), ...record } };
        } else if (resource === 'aws-sdk:cloudwatch:describeAlarms') {
          const { StateValue, AlarmNames } = parameters;
          // Of a step's condition it is asked whether it holds, of the alarm itself whether it is over.
          const isSo = StateValue === 'ALARM' || isAlarmOk(minute);
          return { MetricAlarms: isSo ? AlarmNames.map((AlarmName: string) => ({ AlarmName })) : [] };
        } else if (resource !== 'dynamodb:deleteItem') throw new Error(`${resource} is not answered here`);
        return {};
      },
    });
    const definition = readDefinition(String(machine.properties.DefinitionString));
    await interpreter.run(definition, input, { Execution: {}, StateMachine: {} }, new AbortController().signal);
    return { told, started };
  }
}

const minutesOf = (text: string): number => {
  const [, figure, unit] = /^(\d+) (min|h)$/.exec(text) ?? [];
  return Number(figure) * (unit === 'h' ? 60 : 1);
};
const partsOf = ({ Condition = '' }: Row): string[] => Condition.split(/[;,]/).map(part => part.trim());
const concerns = (row: Row, severity: string): boolean => {
  const named = partsOf(row).filter(part => /^P\d$/.test(part));
  return named.length === 0 || named.includes(severity);
};
const conditional = (row: Row): boolean => partsOf(row).some(part => /[<>]/.test(part));
const repeated = (row: Row): boolean => partsOf(row).some(part => part.startsWith('every'));
const reachedBy = ({ Contact, Channel = '' }: Row): string[] =>
  Channel.split(', ').map(channel => `${Contact} ${channel}`);

describe.each(services)('%s', name => {
  const steps = readRunbookText(name, runbooks).table('Escalation');
  let resources: readonly Resource[];
  beforeAll(async () => {
    resources = await resourcesOf(name);
  });

  const atOnce = (severity: string) =>
    steps.filter(row => concerns(row, severity) && minutesOf(row.After as string) === 0 && !conditional(row));
  const input = (severity: string) => ({ id: 'I', alarm: 'A', severity, subject: 's', title: 't', link: 'l' });

  it.each(severities)('an alarm of %s reaches at once those of the table, by the channels it names', async severity => {
    const service = new Service(name, resources);
    const expected = [...new Set(atOnce(severity).flatMap(reachedBy))].sort();
    expect((await service.publish(service.topic(severity.toLowerCase()))).sort()).toEqual(expected);
  });

  it.each(severities)('each step of %s reaches the contact by its channels and no others', async severity => {
    const service = new Service(name, resources);
    const { told, started } = await service.run('escalation', input(severity));
    const mine = steps.filter(row => concerns(row, severity));
    const once = mine.filter(row => !conditional(row) && !repeated(row) && minutesOf(row.After as string) > 0);
    const expected = once.map(row => ({ minute: minutesOf(row.After as string), who: reachedBy(row) }));
    expect(sorted(told)).toEqual(sorted(expected));
    const again = mine.filter(row => conditional(row) || repeated(row));
    expect(started.map(({ minute }) => minute)).toEqual(again.map(row => minutesOf(row.After as string)));
    for (const [index, row] of again.entries()) {
      // Open at the third look, and closed at the fourth.
      const updates = await service.run('updates', started[index]?.input ?? {}, 3);
      expect(updates.told.length).toBeGreaterThan(0);
      for (const { who } of updates.told) expect([...who].sort()).toEqual(reachedBy(row).sort());
    }
    // The end is told to the same people by the same channels.
    const ended = { id: 'I', alarm: 'A', topic: service.topic(severity.toLowerCase()), ending: 'recovered', says: '…' };
    const closure = await service.run('closure', { ...ended, undo: [] });
    const paged = new Set([...once, ...again].flatMap(reachedBy));
    // Each of them once.
    expect(closure.told.flatMap(({ who }) => who).sort()).toEqual(
      [...new Set([...atOnce(severity).flatMap(reachedBy), ...paged])].sort(),
    );
  });
});

it.each(services)(
  '%s: while the alarm is OK nobody further is called, and the ladder goes on when it fires again',
  async name => {
    const service = new Service(name, await resourcesOf(name));
    const input = { id: 'I', alarm: 'A', severity: 'P1', subject: 's', title: 't', link: 'l' };
    const usual = (await service.run('escalation', input)).told.map(({ minute }) => minute);
    const [first = 0] = usual;
    // From just before the first step until 11 min after it: it is looked at again after 5, 10 and 15.
    const isAlarmOk = (minute: number) => minute >= first - 1 && minute < first + 11;
    const { told } = await service.run('escalation', input, Number.POSITIVE_INFINITY, {}, isAlarmOk);
    expect(told.map(({ minute }) => minute)).toEqual(usual.map(minute => minute + 15));
    // Open for some looks, and then closed: believed to be over.
    const over = await service.run('escalation', input, 4, {}, () => true);
    expect(over.told).toEqual([]);
  },
);

it.each([
  ['a superseded one of P2, which nobody was told of, to nobody', 'P2', {}, []],
  ['a superseded one of P3, which nobody was told of, to nobody', 'P3', {}, []],
  ['one of P2 that was announced', 'P2', { announced: { BOOL: true } }, ['operator PagerDuty', 'operator Slack']],
  // Of these the alarm itself tells.
  ['a superseded one of P1', 'P1', {}, ['operator PagerDuty', 'operator Slack']],
])('the end is told of %s', async (_, severity, record, expected) => {
  const service = new Service('archon', await resourcesOf('archon'));
  const { told } = await service.end(severity, { severity: { S: severity }, ...record });
  expect(told.flatMap(({ who }) => who).sort()).toEqual(expected);
});

it('an incident that an earlier release opened ends, though who else was paged is not told', async () => {
  const service = new Service('archon', await resourcesOf('archon'));
  const { told } = await service.end('P1', { paged: { SS: [service.topic('team-lead')] } });
  expect(told.map(({ who }) => [...who].sort())).toEqual([['operator PagerDuty', 'operator Slack']]);
});

it('nobody is woken for P3', async () => {
  for (const name of services) {
    const service = new Service(name, await resourcesOf(name));
    const atOnce = await service.publish(service.topic('p3'));
    const later = await service.run('escalation', {
      id: 'I',
      alarm: 'A',
      severity: 'P3',
      subject: '',
      title: '',
      link: '',
    });
    const who = [...atOnce, ...later.told.flatMap(told => told.who)];
    expect([name, who.filter(each => /PagerDuty|phone|SMS/.test(each))]).toEqual([name, []]);
  }
});
