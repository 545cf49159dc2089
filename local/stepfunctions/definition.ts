import validate from 'asl-validator';
import { type ChoiceRule, isTest } from './choice.ts';
import { parseExpression } from './intrinsic-functions.ts';
import { parseJsonPath } from './json-path.ts';

export interface Retrier {
  readonly ErrorEquals: readonly string[];
  readonly IntervalSeconds?: number;
  readonly MaxAttempts?: number;
  readonly BackoffRate?: number;
  readonly MaxDelaySeconds?: number;
  readonly JitterStrategy?: 'NONE' | 'FULL';
}

export interface Catcher {
  readonly ErrorEquals: readonly string[];
  readonly Next: string;
  readonly ResultPath?: string | null;
}

/** States and where they begin: a state machine, a branch, or what a Map state does with each item. */
export interface States {
  readonly StartAt: string;
  readonly States: Readonly<Record<string, State>>;
}

/** A state in the Amazon States Language. What a type does not take, `readDefinition` refuses. */
export interface State {
  readonly Type: 'Task' | 'Parallel' | 'Map' | 'Pass' | 'Wait' | 'Choice' | 'Succeed' | 'Fail';
  readonly Next?: string;
  readonly End?: boolean;
  readonly InputPath?: string | null;
  readonly OutputPath?: string | null;
  readonly ResultPath?: string | null;
  readonly Parameters?: unknown;
  readonly ResultSelector?: unknown;
  readonly Retry?: readonly Retrier[];
  readonly Catch?: readonly Catcher[];
  readonly Resource?: string;
  readonly TimeoutSeconds?: number;
  readonly TimeoutSecondsPath?: string;
  readonly HeartbeatSeconds?: number;
  readonly HeartbeatSecondsPath?: string;
  readonly Result?: unknown;
  readonly Seconds?: number;
  readonly SecondsPath?: string;
  readonly Timestamp?: string;
  readonly TimestampPath?: string;
  readonly Choices?: readonly (ChoiceRule & { readonly Next: string })[];
  readonly Default?: string;
  readonly Error?: string;
  readonly ErrorPath?: string;
  readonly Cause?: string;
  readonly CausePath?: string;
  readonly Branches?: readonly States[];
  readonly ItemsPath?: string;
  readonly ItemSelector?: unknown;
  readonly MaxConcurrency?: number;
  readonly MaxConcurrencyPath?: string;
  readonly ItemProcessor?: States;
  readonly Iterator?: States;
}

export interface Definition extends States {
  readonly TimeoutSeconds?: number;
}

const common = ['Type', 'Comment', 'QueryLanguage'];
const io = ['InputPath', 'OutputPath'];
const next = ['Next', 'End'];
const result = ['ResultPath', 'ResultSelector', 'Retry', 'Catch'];

/** What is run of each type; anything else (variables, JSONata, distributed maps) is refused rather than ignored. */
const fields: Readonly<Record<string, readonly string[]>> = {
  Task: [
    ...[...common, ...io, ...next, ...result, 'Resource', 'Parameters'],
    ...['TimeoutSeconds', 'TimeoutSecondsPath', 'HeartbeatSeconds', 'HeartbeatSecondsPath'],
  ],
  Parallel: [...common, ...io, ...next, ...result, 'Parameters', 'Branches'],
  Map: [
    ...[...common, ...io, ...next, ...result, 'Parameters', 'ItemsPath', 'ItemSelector', 'ItemProcessor', 'Iterator'],
    ...['MaxConcurrency', 'MaxConcurrencyPath'],
  ],
  Pass: [...common, ...io, ...next, 'ResultPath', 'Parameters', 'Result'],
  Wait: [...common, ...io, ...next, 'Seconds', 'SecondsPath', 'Timestamp', 'TimestampPath'],
  Choice: [...common, ...io, 'Choices', 'Default'],
  Succeed: [...common, ...io],
  Fail: [...common, 'Error', 'ErrorPath', 'Cause', 'CausePath'],
};
const machineFields = ['Comment', 'StartAt', 'States', 'TimeoutSeconds', 'Version', 'QueryLanguage'];
const branchFields = ['Comment', 'StartAt', 'States', 'QueryLanguage', 'ProcessorConfig'];

/** "Step Functions service quotas": the longest name of a state. */
const maxStateNameLength = 80;

/** Every state of a definition with its name, those of branches and iterations included. */
export function* eachState(states: States): Generator<readonly [name: string, state: State]> {
  for (const [name, state] of Object.entries(states.States)) {
    yield [name, state];
    for (const inner of [...(state.Branches ?? []), state.ItemProcessor, state.Iterator])
      if (inner) yield* eachState(inner);
  }
}

/** Definitions that asl-validator has passed: it compiles its schemas each time, which takes a third of a second. */
const valid = new Set<string>();

/** @throws Error that names every state with what is wrong or cannot be run here, at once */
export function readDefinition(text: string): Definition {
  let definition: Definition;
  try {
    definition = JSON.parse(text);
  } catch (error) {
    throw new Error(`is not JSON: ${(error as Error).message}`);
  }
  if (!valid.has(text)) {
    const { isValid, errorsText } = validate(definition, { checkPaths: true, checkArn: true });
    if (!isValid) throw new Error(errorsText('; '));
    valid.add(text);
  }
  const problems = [...problemsOf('the state machine', definition, machineFields)];
  if (problems.length > 0) throw new Error(problems.join('; '));
  return definition;
}

function* problemsOf(where: string, states: States & object, known: readonly string[]): Generator<string> {
  yield* unknownFields(where, states, known);
  const mode = (states as { ProcessorConfig?: { Mode?: string } }).ProcessorConfig?.Mode ?? 'INLINE';
  if (mode !== 'INLINE') yield `${where}: a ${mode} map is not run`;
  for (const [name, state] of Object.entries(states.States)) {
    const place = `state ${name}`;
    if (name.length > maxStateNameLength) yield `${place}: the name is longer than ${maxStateNameLength} characters`;
    yield* unknownFields(place, state, fields[state.Type] ?? []);
    for (const path of pathsOf(state)) {
      const problem = attempt(() => parseExpression(path));
      if (problem !== undefined) yield `${place}: ${problem}`;
    }
    for (const path of [state.ResultPath, ...(state.Catch ?? []).map(({ ResultPath }) => ResultPath)]) {
      if (typeof path !== 'string') continue;
      const problem = attempt(() => {
        if (path.startsWith('$$') || !parseJsonPath(path).definite) throw new Error(`${path} is not a reference path`);
      });
      if (problem !== undefined) yield `${place}: ${problem}`;
    }
    for (const rule of (state.Choices ?? []) as readonly ChoiceRule[]) yield* ruleProblems(place, rule);
    for (const inner of [...(state.Branches ?? []), state.ItemProcessor, state.Iterator])
      if (inner) yield* problemsOf(place, inner, branchFields);
  }
}

function* unknownFields(where: string, value: object, known: readonly string[]): Generator<string> {
  for (const [key, field] of Object.entries(value)) {
    if (!known.includes(key)) yield `${where}: the local environment does not run ${key}`;
    if (key === 'QueryLanguage' && field !== 'JSONPath') yield `${where}: ${field} is not run, JSONPath is`;
  }
}

/** Every path and intrinsic function of a state but `ResultPath`. */
function* pathsOf(state: State): Generator<string> {
  for (const [key, value] of Object.entries(state))
    if (typeof value === 'string' && key.endsWith('Path') && key !== 'ResultPath') yield value;
  for (const template of [state.Parameters, state.ResultSelector, state.ItemSelector]) yield* templatePaths(template);
}

function* templatePaths(template: unknown): Generator<string> {
  if (typeof template !== 'object' || template === null) return;
  for (const [key, value] of Object.entries(template)) {
    if (!Array.isArray(template) && key.endsWith('.$')) yield String(value);
    else yield* templatePaths(value);
  }
}

function* ruleProblems(where: string, rule: ChoiceRule): Generator<string> {
  const inner = [rule.And, rule.Or, rule.Not].flat().filter(each => each !== undefined) as ChoiceRule[];
  for (const each of inner) yield* ruleProblems(where, each);
  if (inner.length > 0) return;
  const tests = Object.keys(rule).filter(key => !['Variable', 'Next', 'Comment'].includes(key));
  if (tests.length !== 1 || !tests.every(isTest)) yield `${where}: the test ${tests.join(', ')} is not run`;
  for (const path of [rule.Variable, ...tests.filter(test => test.endsWith('Path')).map(test => rule[test])]) {
    const problem = attempt(() => parseExpression(String(path)));
    if (problem !== undefined) yield `${where}: ${problem}`;
  }
}

function attempt(run: () => unknown): string | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
