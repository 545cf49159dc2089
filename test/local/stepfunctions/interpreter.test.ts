import { createMonitoringClock } from '../../../local/monitoring-clock.ts';
import { readDefinition, type State } from '../../../local/stepfunctions/definition.ts';
import { History } from '../../../local/stepfunctions/history.ts';
import { type Context, Interpreter } from '../../../local/stepfunctions/interpreter.ts';
import { StateError } from '../../../local/stepfunctions/state-error.ts';
import { ManualClock } from '../manual-clock.ts';

const startedAt = Date.UTC(2026, 0, 1);
let clock: ManualClock;
let history: History;
let calls: { readonly at: number; readonly stateName: string; readonly input: unknown }[];
let answer: (stateName: string, call: number, input: unknown) => unknown;

beforeEach(() => {
  clock = new ManualClock(startedAt);
  history = new History(() => clock.now());
  calls = [];
  answer = () => null;
});

type StateProperties = Partial<State> & { Type: State['Type'] };
const task = 'arn:aws:states:::lambda:invoke';

/** Runs states to their end, moving the clock on whenever they wait. */
async function run(
  States: Record<string, StateProperties>,
  input: unknown,
  StartAt = Object.keys(States)[0],
): Promise<unknown> {
  // asl-validator takes a third of a second: `readDefinition` has tests of its own below.
  const definition = JSON.parse(JSON.stringify({ StartAt, States }));
  const interpreter = new Interpreter({
    clock: createMonitoringClock(1, clock),
    history,
    runTask: async ({ stateName, input }) => {
      calls.push({ at: (clock.now() - startedAt) / 1000, stateName, input });
      return answer(stateName, calls.length, input);
    },
  });
  const context: Context = { Execution: { Id: 'execution', Input: input }, StateMachine: {} };
  let isOver = false;
  const result = interpreter.run(definition, input, context, new AbortController().signal).finally(() => {
    isOver = true;
  });
  result.catch(() => {});
  while (!isOver) {
    // Whoever was woken has its turn before the clock moves on.
    for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
    if (clock.timers > 0) clock.advance(1_000);
  }
  return result;
}

const pass = (more: object): StateProperties => ({ Type: 'Pass', End: true, ...more });

test.each<[string, StateProperties, unknown, unknown]>([
  ['a result that is false', pass({ Result: false }), { x: 1 }, false],
  ['a result at a path', pass({ Result: 2, ResultPath: '$.a.b' }), { x: 1, a: { c: 1 } }, { x: 1, a: { c: 1, b: 2 } }],
  ['no result', pass({ Result: 2, ResultPath: null }), { x: 1 }, { x: 1 }],
  ['an input path', pass({ InputPath: '$.a' }), { a: [1] }, [1]],
  ['no input', pass({ InputPath: null }), { a: 1 }, {}],
  ['an output path', pass({ OutputPath: '$.a[0]' }), { a: [1] }, 1],
  [
    'parameters',
    pass({ Parameters: { 'a.$': '$.x.y', b: { 'c.$': '$$.State.Name' } } }),
    { x: { y: [1] } },
    { a: [1], b: { c: 'A' } },
  ],
  ['an empty list for a path to many', pass({ Parameters: { 'a.$': '$.l[*].x' } }), { l: [] }, { a: [] }],
  ['a list for a path to many', pass({ Parameters: { 'a.$': '$.l[*].x' } }), { l: [{ x: 1 }, {}] }, { a: [1] }],
  ['a descent', pass({ Parameters: { 'a.$': '$..x' } }), { l: [{ x: 1 }], x: 0 }, { a: [0, 1] }],
  ['a slice', pass({ Parameters: { 'a.$': '$.l[1:]' } }), { l: [1, 2, 3] }, { a: [2, 3] }],
  ['the state entered', pass({ Parameters: { 'a.$': '$$.State.EnteredTime' } }), {}, { a: '2026-01-01T00:00:00.000Z' }],
])('%s', async (_, state, input, output) => {
  await expect(run({ A: state }, input)).resolves.toEqual(output);
});

test.each([
  ["States.Format('{} is {} \\{\\}', $.name, 5)", 'a "b" \\ is 5 {}'],
  ['States.JsonToString($)', '{"name":"a \\"b\\" \\\\","list":[1,2,2,3],"json":"{\\"z\\":1}"}'],
  ['States.StringToJson($.json)', { z: 1 }],
  ["States.Array($.name, null, true, 'it\\'s')", ['a "b" \\', null, true, "it's"]],
  ['States.ArrayPartition($.list, 3)', [[1, 2, 2], [3]]],
  ['States.ArrayContains($.list, 3)', true],
  ['States.ArrayRange(1, 9, 4)', [1, 5, 9]],
  ['States.ArrayGetItem($.list, 1)', 2],
  ['States.ArrayLength($.list)', 4],
  ['States.ArrayUnique($.list)', [1, 2, 3]],
  ["States.Base64Decode(States.Base64Encode('ä'))", 'ä'],
  ["States.Hash('a', 'SHA-1')", '86f7e437faa5a7fce15d1ddcb9eaeaea377667b8'],
  ['States.JsonMerge(States.StringToJson($.json), States.StringToJson(\'{"y":2}\'), false)', { z: 1, y: 2 }],
  ['States.MathAdd($.list[0], -3)', -2],
  ["States.StringSplit('a.b+c', '.+')", ['a', 'b', 'c']],
])('%s', async (expression, value) => {
  const input = { name: 'a "b" \\', list: [1, 2, 2, 3], json: '{"z":1}' };
  await expect(run({ A: pass({ Parameters: { 'v.$': expression } }) }, input)).resolves.toEqual({ v: value });
});

test.each([
  [{ Variable: '$.missing', IsPresent: false }, true],
  [{ Variable: '$.n', IsPresent: false }, false],
  [{ Variable: '$.n', IsString: false }, true],
  [{ Variable: '$.nothing', IsNull: true }, true],
  [{ Variable: '$.n', NumericGreaterThanEquals: 5 }, true],
  [{ Variable: '$.n', NumericLessThanPath: '$.m' }, true],
  [{ Variable: '$.n', StringEquals: '5' }, false],
  [{ Variable: '$.s', StringMatches: 'a*c' }, true],
  [{ Variable: '$.s', StringMatches: 'a\\*c' }, false],
  [{ Variable: '$.t', TimestampLessThan: '2026-01-01T02:00:00+01:00' }, true],
  [{ And: [{ Variable: '$.n', NumericEquals: 5 }, { Not: { Variable: '$.s', StringEquals: 'x' } }] }, true],
  [
    {
      Or: [
        { Variable: '$.n', NumericEquals: 4 },
        { Variable: '$.b', BooleanEquals: true },
      ],
    },
    false,
  ],
])('%j is %s', async (rule, expected) => {
  const input = { n: 5, m: 6, s: 'abc', b: false, nothing: null, t: '2026-01-01T00:30:00Z' };
  const output = await run(
    {
      A: { Type: 'Choice', Choices: [{ ...rule, Next: 'Yes' }], Default: 'No' },
      Yes: pass({ Result: true }),
      No: pass({ Result: false }),
    },
    input,
  );
  expect(output).toBe(expected);
});

const failures = (states: Record<string, StateProperties>, input: unknown = {}) =>
  run(states, input).then(
    () => 'no error',
    (error: StateError) => [error.error, error.errorCause],
  );

test('errors have their names, and the state', async () => {
  expect(await failures({ A: pass({ Parameters: { 'a.$': '$.no' } }) })).toEqual([
    'States.Runtime',
    "An error occurred while executing the state 'A' (entered at the event id #1). The JSONPath '$.no' specified for the field 'a.$' could not be found in the input '{}'",
  ]);
  expect(
    await failures(
      { A: { Type: 'Choice', Choices: [{ Variable: '$.a', NumericEquals: 1, Next: 'B' }] }, B: pass({}) },
      { a: 2 },
    ),
  ).toEqual(['States.NoChoiceMatched', 'No choice of A matched']);
  expect(await failures({ A: { Type: 'Fail', Error: 'Bad', CausePath: '$.why' } }, { why: 'so' })).toEqual([
    'Bad',
    'so',
  ]);
  expect(await failures({ A: pass({ Parameters: { 'a.$': 'States.StringToJson($.t)' } }) }, { t: '{' })).toEqual([
    'States.IntrinsicFailure',
    expect.stringContaining('States.StringToJson($.t)'),
  ]);
  answer = () => 'x'.repeat(262_144);
  expect((await failures({ A: { Type: 'Task', Resource: task, End: true } }))[0]).toBe('States.DataLimitExceeded');
});

test('a task is retried after its intervals, by the first retrier that names the error', async () => {
  answer = (_, call) => {
    if (call <= 4) throw new StateError(call === 2 ? 'Other' : 'Lambda.ServiceException', 'why');
    return { ok: true };
  };
  const output = await run(
    {
      A: {
        Type: 'Task',
        Resource: task,
        Retry: [
          {
            ErrorEquals: ['Lambda.ServiceException'],
            IntervalSeconds: 10,
            BackoffRate: 3,
            MaxAttempts: 5,
            MaxDelaySeconds: 60,
          },
          { ErrorEquals: ['States.ALL'], IntervalSeconds: 2 },
        ],
        End: true,
      },
    },
    {},
  );
  expect(output).toEqual({ ok: true });
  expect(calls.map(({ at }) => at)).toEqual([0, 10, 12, 42, 102]);
});

test('an error that outlasts its retries is caught, with its name and cause', async () => {
  answer = () => {
    throw new StateError('TypeError', '{"errorType":"TypeError"}');
  };
  const Retry = [{ ErrorEquals: ['States.TaskFailed'], MaxAttempts: 2 }];
  const Catch = [
    { ErrorEquals: ['States.Timeout'], Next: 'C' },
    { ErrorEquals: ['States.ALL'], Next: 'B', ResultPath: '$.error' },
  ];
  const output = await run(
    { A: { Type: 'Task', Resource: task, Retry, Catch, End: true }, B: pass({}), C: pass({}) },
    { a: 1 },
  );
  expect(output).toEqual({ a: 1, error: { Error: 'TypeError', Cause: '{"errorType":"TypeError"}' } });
  expect(calls.map(({ at }) => at)).toEqual([0, 1, 3]);
});

test.each([
  ['States.Runtime', ['States.ALL', 'States.TaskFailed'], false],
  ['States.DataLimitExceeded', ['States.ALL'], false],
  ['States.DataLimitExceeded', ['States.DataLimitExceeded'], true],
  ['States.Timeout', ['States.TaskFailed'], false],
  ['States.HeartbeatTimeout', ['States.Timeout'], true],
  ['Anything', ['States.TaskFailed'], true],
])('%s is caught by %j: %s', async (error, ErrorEquals, isCaught) => {
  answer = () => {
    throw new StateError(error, 'The execution is at its end');
  };
  // asl-validator wants States.ALL alone; each name has its catcher.
  const Catch = ErrorEquals.map(name => ({ ErrorEquals: [name], Next: 'B' })).reverse();
  const outcome = await failures({ A: { Type: 'Task', Resource: task, Catch, End: true }, B: pass({}) });
  expect(outcome).toEqual(isCaught ? 'no error' : [error, 'The execution is at its end']);
});

test('waits go by the clock', async () => {
  await run(
    {
      A: { Type: 'Wait', Seconds: 30, Next: 'B' },
      B: { Type: 'Wait', SecondsPath: '$.s', Next: 'C' },
      C: { Type: 'Wait', TimestampPath: '$.t', Next: 'D' },
      D: { Type: 'Task', Resource: task, End: true },
    },
    { s: 20, t: '2026-01-01T00:02:00Z' },
  );
  expect(calls.map(({ at }) => at)).toEqual([120]);
});

test('a map gives results in order, some at a time, with the item and the execution in the context', async () => {
  const output = await run(
    {
      A: {
        Type: 'Map',
        ItemsPath: '$.items',
        MaxConcurrency: 2,
        ItemSelector: { 'item.$': '$$.Map.Item.Value', 'at.$': '$$.Map.Item.Index', 'k.$': '$.k' },
        ItemProcessor: {
          StartAt: 'W',
          States: {
            W: { Type: 'Wait', SecondsPath: '$.item', Next: 'B' },
            B: {
              Type: 'Pass',
              Parameters: { 'of.$': '$$.Execution.Input.k', 'at.$': '$.at', 'k.$': '$.k' },
              End: true,
            },
          },
        },
        End: true,
      },
    },
    { items: [3, 1, 1], k: 'v' },
  );
  expect(output).toEqual([0, 1, 2].map(at => ({ of: 'v', at, k: 'v' })));
  expect(clock.now() - startedAt).toBe(3_000);
});

test('a branch that fails ends the others', async () => {
  answer = stateName => {
    if (stateName === 'Bad') throw new StateError('Bad', 'why');
    return null;
  };
  const output = await run(
    {
      P: {
        Type: 'Parallel',
        Branches: [
          {
            StartAt: 'Slow',
            States: {
              Slow: { Type: 'Wait', Seconds: 60, Next: 'Never' },
              Never: { Type: 'Task', Resource: task, End: true },
            },
          },
          {
            StartAt: 'Soon',
            States: {
              Soon: { Type: 'Wait', Seconds: 5, Next: 'Bad' },
              Bad: { Type: 'Task', Resource: task, End: true },
            },
          },
        ],
        Catch: [{ ErrorEquals: ['Bad'], Next: 'Caught' }],
        End: true,
      },
      Caught: pass({}),
    },
    {},
  );
  expect(output).toEqual({ Error: 'Bad', Cause: 'why' });
  expect(calls.map(({ stateName }) => stateName)).toEqual(['Bad']);
  expect(clock.timers).toBe(0);
});

test('a history that is full ends the execution', async () => {
  history = new History(() => clock.now(), 20);
  const Choices = [{ Variable: '$.a', NumericEquals: 1, Next: 'A' }];
  const states = { A: { Type: 'Pass', Next: 'B' }, B: { Type: 'Choice', Choices, Default: 'C' }, C: pass({}) } as const;
  const outcome = await failures(states, { a: 1 });
  expect(outcome).toEqual(['States.Runtime', 'The execution reached the maximum number of history events (20).']);
});

test.each([
  ['JSONata', { QueryLanguage: 'JSONata', StartAt: 'A', States: { A: { Type: 'Pass', End: true } } }, 'JSONata'],
  [
    'variables',
    { StartAt: 'A', States: { A: { Type: 'Pass', Assign: { x: 1 }, End: true } } },
    'state A: the local environment does not run Assign',
  ],
  [
    'a filter',
    { StartAt: 'A', States: { A: { Type: 'Pass', Parameters: { 'a.$': '$.l[?(@.x == 1)]' }, End: true } } },
    'state A: the path',
  ],
  [
    'an unknown function',
    { StartAt: 'A', States: { A: { Type: 'Pass', Parameters: { 'a.$': 'States.Nope()' }, End: true } } },
    'a.$ is invalid',
  ],
  ['a dangling Next', { StartAt: 'A', States: { A: { Type: 'Pass', Next: 'B' } } }, 'MISSING_TRANSITION_TARGET'],
  [
    'a fractional timeout',
    { StartAt: 'A', States: { A: { Type: 'Task', Resource: task, TimeoutSeconds: 1.5, End: true } } },
    'TimeoutSeconds',
  ],
  [
    'a distributed map',
    {
      StartAt: 'A',
      States: {
        A: {
          Type: 'Map',
          ItemProcessor: {
            ProcessorConfig: { Mode: 'DISTRIBUTED', ExecutionType: 'STANDARD' },
            StartAt: 'B',
            States: { B: { Type: 'Pass', End: true } },
          },
          End: true,
        },
      },
    },
    'DISTRIBUTED',
  ],
])('%s is an error', (_, definition, message) => {
  expect(() => readDefinition(JSON.stringify(definition))).toThrow(message);
});
