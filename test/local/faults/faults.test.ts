import fc from 'fast-check';
import type { Resource } from '../../../local/assembly/resource.ts';
import { catalogue, type FaultSpec } from '../../../local/faults/catalogue.ts';
import { FaultError } from '../../../local/faults/fault-error.ts';
import { createFaults, type Faults } from '../../../local/faults/faults.ts';
import { ManualClock } from '../manual-clock.ts';

const resource = (type: string, logicalId: string, physicalId: string, attributes = {}): Resource => ({
  stack: 'shop-dev-Realtime',
  logicalId,
  type,
  physicalId,
  attributes,
  properties: {},
});
const resources = [
  resource('AWS::Lambda::Function', 'FanOutFunctionC517A95D', 'shop-FanOut-1'),
  resource('AWS::Lambda::Function', 'MessageFunction5E234045', 'shop-Message-1'),
  resource('AWS::DynamoDB::Table', 'TablesConnectionsF6D675B1', 'shop-Connections-1'),
  resource('AWS::SQS::Queue', 'PublicationsQueue13D95AD0', 'https://sqs/1/p.fifo', { QueueName: 'p.fifo' }),
  resource('AWS::SNS::Topic', 'Alarms', 'arn:topic'),
];

let clock: ManualClock;
let faults: Faults;
let logged: string[];

beforeEach(() => {
  clock = new ManualClock();
  logged = [];
  faults = createFaults({
    resources,
    clock,
    log: (level, component, message, fields) =>
      logged.push(`${level} ${component}: ${message} ${JSON.stringify(fields)}`),
  });
});
afterEach(() => faults.close());

const invocation = (functionName = 'shop-FanOut-1', version = '$LATEST') => ({ functionName, version });
const drawn = (functionName?: string) => faults.draw('invocation', () => invocation(functionName));
const fanOut: FaultSpec = { fault: 'function-error', function: 'fan-out' };

test('without a fault nothing happens, and what is about to be done is not even asked', () => {
  const subject = jest.fn(() => invocation());
  expect(faults.draw('invocation', subject)).toBeUndefined();
  faults.inject({ fault: 'store-throttle' });
  expect(faults.draw('invocation', subject)).toBeUndefined();
  expect(subject).not.toHaveBeenCalled();
});

test.each([['fan-out'], ['FanOutFunctionC517A95D'], ['shop-FanOut-1']])('a function is known as %s', name => {
  faults.inject({ ...fanOut, function: name } as FaultSpec);
  expect(drawn()).toMatchObject({ error: { errorType: 'Error', errorMessage: 'a fault was injected' } });
  expect(drawn('shop-Message-1')).toBeUndefined();
});

test('the end of a name is enough where it is the end of one', () => {
  const nested = createFaults({
    resources: [
      resource('AWS::Lambda::Function', 'MessagesFanOutFunctionC517A95D', 'a'),
      resource('AWS::Lambda::Function', 'ShardsFanOutFunctionC517A95E', 'b'),
      resource('AWS::Lambda::Function', 'ConnectionsCensusFunctionC517A95F', 'c'),
    ],
    clock,
    log: () => {},
  });
  nested.inject({ fault: 'function-error', function: 'census' });
  nested.inject({ fault: 'function-latency', function: 'messages-fan-out', delayMs: 1 });
  const names = ['a', 'b', 'c'];
  const happens = (functionName: string) => nested.draw('invocation', () => ({ functionName, version: '1' }));
  expect(names.map(name => Object.keys(happens(name) ?? {})[0])).toEqual(['delayMs', undefined, 'error']);
  expect(() => nested.inject({ fault: 'function-error', function: 'fan-out' })).toThrow(
    'function: "fan-out"; expected one of connections-census, messages-fan-out, shards-fan-out',
  );
});

test('tables and queues are known by their short names', () => {
  faults.inject({ fault: 'store-latency', table: 'connections', delayMs: 5 });
  faults.inject({ fault: 'queue-outage', queue: 'publications' });
  const request = (service: string, operation: string, ...names: string[]) =>
    faults.draw('request', () => ({ service, operation, resources: names }));
  expect(request('dynamodb', 'PutItem', 'shop-Connections-1')).toMatchObject({ delayMs: 5 });
  expect(request('dynamodb', 'PutItem', 'other')).toBeUndefined();
  expect(request('sqs', 'SendMessage', 'p.fifo')).toMatchObject({ answer: { code: 'InternalFailure', status: 500 } });
  expect(request('sqs', 'SendMessageBatch', 'p.fifo')).toBeDefined();
  expect(request('sqs', 'ReceiveMessage', 'p.fifo')).toBeUndefined();
});

test('a version of a function can fail without the others', () => {
  faults.inject({ ...fanOut, version: '2' });
  expect(faults.draw('invocation', () => invocation('shop-FanOut-1', '2'))).toBeDefined();
  expect(faults.draw('invocation', () => invocation('shop-FanOut-1', '1'))).toBeUndefined();
});

describe('a fault ends', () => {
  test('when it is cleared, and what waits because of it is told', () => {
    const { id } = faults.inject(fanOut);
    const { ended } = drawn() ?? {};
    expect(ended?.aborted).toBe(false);
    faults.clear(id);
    expect(ended?.aborted).toBe(true);
    expect(drawn()).toBeUndefined();
    expect(faults.list()).toEqual([]);
    expect(logged.at(-1)).toBe(
      'warn faults: a fault ended: it was cleared {"id":"1","fault":"function-error","seen":1,"happened":1}',
    );
  });

  test('when its time is over', () => {
    const { endsAt } = faults.inject({ ...fanOut, forSeconds: 30 });
    expect(endsAt).toBe(clock.now() + 30_000);
    clock.advance(29_999);
    expect(drawn()).toBeDefined();
    clock.advance(1);
    expect(drawn()).toBeUndefined();
    expect(faults.list()).toEqual([]);
  });

  test('when all are cleared, which leaves no timer', () => {
    faults.inject({ ...fanOut, forSeconds: 30 });
    faults.inject({ fault: 'socket-churn', everyMs: 1_000 });
    faults.clear();
    expect([faults.list(), clock.timers]).toEqual([[], 0]);
  });

  test('with the environment, after which none can be injected', () => {
    faults.inject(fanOut);
    const { ended } = drawn() ?? {};
    faults.close();
    expect(ended?.aborted).toBe(true);
    expect(() => faults.inject(fanOut)).toThrow(FaultError);
  });
});

test('a fault happens so many times, and what it did goes on until it is cleared', () => {
  faults.inject({ ...fanOut, times: 2 });
  const first = drawn();
  expect([drawn() !== undefined, drawn()]).toEqual([true, undefined]);
  expect(first?.ended.aborted).toBe(false);
  expect(faults.list()).toMatchObject([{ spent: true, seen: 2, happened: 2 }]);
});

test('of several at one point delays add up, and the oldest says how it ends', () => {
  faults.inject({ fault: 'store-latency', delayMs: 100 });
  faults.inject({ fault: 'store-throttle' });
  faults.inject({ fault: 'store-latency', delayMs: 20 });
  const { id } = faults.inject({ fault: 'store-outage' });
  const effect = faults.draw('request', () => ({ service: 'dynamodb', operation: 'Query', resources: [] }));
  expect(effect).toMatchObject({ delayMs: 120, answer: { code: 'ProvisionedThroughputExceededException' } });
  faults.clear(id);
  expect(effect?.ended.aborted).toBe(true);
});

describe('a share', () => {
  const verdicts = (spec: FaultSpec, count: number, name?: string) => {
    const { id } = faults.inject(spec);
    const all = Array.from({ length: count }, () => drawn(name) !== undefined);
    faults.clear(id);
    return all;
  };

  test('falls the same way with the same seed, and no other way than the seed that is shown says', () => {
    const first = verdicts({ ...fanOut, share: 0.5, seed: 7 }, 64);
    expect(verdicts({ ...fanOut, share: 0.5, seed: 7 }, 64)).toEqual(first);
    expect(verdicts({ ...fanOut, share: 0.5, seed: 8 }, 64)).not.toEqual(first);
    const { seed, id } = faults.inject({ ...fanOut, share: 0.5 });
    const chosen = Array.from({ length: 64 }, () => drawn() !== undefined);
    faults.clear(id);
    expect(verdicts({ ...fanOut, share: 0.5, seed }, 64)).toEqual(chosen);
  });

  test('is about as large as it says', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.05, max: 0.95, noNaN: true }), fc.integer(), (share, seed) => {
        const happened = verdicts({ ...fanOut, share, seed }, 2_000).filter(Boolean).length;
        // Five standard deviations.
        expect(Math.abs(happened / 2_000 - share)).toBeLessThan(5 * Math.sqrt((share * (1 - share)) / 2_000));
      }),
      { numRuns: 50 },
    );
  });

  test('does not count what the fault is not about', () => {
    faults.inject({ ...fanOut, share: 0.5, seed: 7 });
    const mixed = Array.from({ length: 32 }, () => [drawn('shop-Message-1'), drawn() !== undefined]);
    faults.clear();
    expect(mixed.map(([, happened]) => happened)).toEqual(verdicts({ ...fanOut, share: 0.5, seed: 7 }, 32));
    expect(mixed.every(([other]) => other === undefined)).toBe(true);
  });

  test('of connections stays with them', () => {
    faults.inject({ fault: 'post-loss', of: 'connections', share: 0.5, seed: 1 });
    const lost = (n: number) =>
      faults.draw('callback', () => ({ method: 'POST', connectionId: `c${n}`, connectedAt: 0 }))?.lost === true;
    const first = Array.from({ length: 40 }, (_, n) => lost(n));
    expect(new Set(first).size).toBe(2);
    expect(Array.from({ length: 40 }, (_, n) => lost(n))).toEqual(first);
  });
});

describe('what sweeps', () => {
  const swept: string[] = [];
  const listen = () =>
    faults.onSweep('socket', draw => {
      for (const connectionId of ['a', 'b']) {
        const effect = draw({ connectionId });
        if (effect) swept.push(`${connectionId} ${Object.keys(effect)[0]}`);
      }
    });
  beforeEach(() => swept.splice(0));

  test('once is over then', () => {
    listen();
    expect(faults.inject({ fault: 'socket-kill' })).toMatchObject({ seen: 2, happened: 2 });
    expect([swept, faults.list()]).toEqual([['a killed', 'b killed'], []]);
  });

  test('again and again goes on until it is cleared, and touches nothing new in between', () => {
    listen();
    const { id } = faults.inject({ fault: 'socket-churn', everyMs: 1_000 });
    expect(faults.draw('socket', () => ({ connectionId: 'c' }))).toBeUndefined();
    clock.advance(2_000);
    expect(swept).toHaveLength(6);
    faults.clear(id);
    clock.advance(5_000);
    expect(swept).toHaveLength(6);
  });

  test('can happen to what comes later too', () => {
    listen();
    faults.inject({ fault: 'socket-slow', everyMs: 500 });
    expect(swept).toEqual(['a readsEveryMs', 'b readsEveryMs']);
    expect(faults.draw('socket', () => ({ connectionId: 'c' }))).toMatchObject({ readsEveryMs: 500 });
  });

  test('does nothing to who listens no more', () => {
    const stop = listen();
    stop();
    faults.inject({ fault: 'socket-kill' });
    expect(swept).toEqual([]);
  });
});

describe('a mistake is told: what was read, what was expected', () => {
  test.each<[object, string]>([
    [{ fault: 'function-eror' }, `fault: "function-eror"; expected 'function-error', or another of the catalogue`],
    [{ fault: 'nothing like it' }, 'fault: "nothing like it"; expected one of function-error, function-latency,'],
    [{ ...fanOut, function: 'fanout' }, 'function: "fanout"; expected one of fan-out, message'],
    [{ fault: 'store-outage', table: 'seats' }, 'table: "seats"; expected one of connections'],
    [{ ...fanOut, share: 2 }, 'share: 2; expected a number over 0 and up to 1'],
    [{ ...fanOut, share: 0 }, 'share: 0; expected a number over 0 and up to 1'],
    [{ ...fanOut, forSeconds: '30' }, 'forSeconds: "30"; expected a number of seconds from 0.001 to 86400'],
    [{ ...fanOut, times: 1.5 }, 'times: 1.5; expected a whole number of times'],
    [{ ...fanOut, delay: 1 }, 'delay: not a parameter here; expected one of function, version, errorType,'],
    [{ fault: 'function-latency' }, 'delayMs: nothing was given; expected a number of milliseconds from 1 to 3600000'],
    [{ fault: 'store-outage', answer: 'no' }, 'answer: "no"; expected one of error, cut, silence'],
    [{ fault: 'post-refusal', status: 418 }, 'status: 418; expected one of 403, 410, 429, 500, 502, 503, 504'],
  ])('%j', (spec, message) => {
    expect(() => faults.inject(spec as FaultSpec)).toThrow(FaultError);
    expect(() => faults.inject(spec as FaultSpec)).toThrow(message);
    expect(faults.list()).toEqual([]);
  });

  test('all of a fault at once', () => {
    expect(() => faults.inject({ ...fanOut, share: 2, times: 0 } as FaultSpec)).toThrow(/share: 2; .*\ntimes: 0; /);
  });

  test('an id that is none', () => {
    expect(() => faults.clear('9')).toThrow('id: "9"; expected none: there is no fault');
    faults.inject(fanOut);
    expect(() => faults.clear('9')).toThrow('id: "9"; expected one of 1');
  });
});

test('every fault of the catalogue has parameters with a description', () => {
  for (const [name, { parameters }] of Object.entries(catalogue)) {
    for (const [parameter, schema] of Object.entries(parameters.shape)) {
      const { description, def } = schema as { description?: string; def: { innerType?: { description?: string } } };
      expect([name, parameter, description ?? def.innerType?.description]).toEqual([
        name,
        parameter,
        expect.any(String),
      ]);
    }
  }
});
