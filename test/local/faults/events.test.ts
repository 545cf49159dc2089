import type { Resource } from '../../../local/assembly/resource.ts';
import { type Events, startEvents } from '../../../local/events/service.ts';
import { createFaults, type Faults } from '../../../local/faults/faults.ts';
import { createMonitoringClock } from '../../../local/monitoring-clock.ts';
import { ManualClock } from '../manual-clock.ts';

const rule: Resource = {
  stack: 's',
  logicalId: 'Rule',
  type: 'AWS::Events::Rule',
  physicalId: 'rule',
  attributes: { Arn: 'arn:aws:events:eu-central-1:123456789012:rule/rule' },
  properties: {
    EventPattern: { source: ['aws.cloudwatch'] },
    Targets: [{ Id: 't', Arn: 'arn:aws:lambda:eu-central-1:123456789012:function:responder' }],
  },
};

let clock: ManualClock;
let faults: Faults;
let events: Events;
let delivered: unknown[];

beforeEach(() => {
  clock = new ManualClock();
  faults = createFaults({ resources: [], log: () => {}, clock });
  delivered = [];
  const unused = () => {
    throw new Error('is no target');
  };
  events = startEvents({
    resources: [rule],
    place: { partition: 'aws', account: '123456789012', region: 'eu-central-1' },
    authorization: { authorize: async () => {} },
    lambda: { invokeAsync: async (_arn, event) => void delivered.push((event as { detail: { n: number } }).detail.n) },
    stepFunctions: { startExecution: unused },
    sqs: { deliver: unused },
    sns: { publish: unused },
    clock: createMonitoringClock(60, clock),
    log: () => {},
    faults,
  });
});
afterEach(() => events.close());

const put = (n: number) =>
  events.putEvent({ source: 'aws.cloudwatch', 'detail-type': 'Alarm', resources: [], detail: { n } });

test('events are lost, come twice and late, each until the fault ends', () => {
  faults.inject({ fault: 'event-loss', source: 'aws.cloudwatch', times: 1 });
  put(1);
  put(2);
  expect(delivered).toEqual([2]);
  const { id } = faults.inject({ fault: 'event-duplicate', detailType: 'Alarm' });
  put(3);
  expect(delivered).toEqual([2, 3, 3]);
  faults.clear(id);
  faults.inject({ fault: 'event-delay', delayMs: 60_000 });
  put(4);
  faults.clear();
  put(5);
  expect(delivered).toEqual([2, 3, 3, 5]);
  // A minute of the monitoring plane.
  clock.advance(1_000);
  expect(delivered).toEqual([2, 3, 3, 5, 4]);
});

test('events of another source are left alone', () => {
  faults.inject({ fault: 'event-loss', source: 'aws.states' });
  put(1);
  expect(delivered).toEqual([1]);
});
