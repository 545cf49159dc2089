import { anomalyBand, trainingGrid } from '../anomaly-band.ts';
import type { Grid } from '../metric-store.ts';
import { fill, functions } from './functions.ts';
import { type Expression, MathError, type Operator } from './syntax.ts';
import {
  array,
  eachPair,
  eachPoint,
  pointsOf,
  type Series,
  scalar,
  series,
  spread,
  type Value,
  type ValueType,
} from './value.ts';

/** An expression that was checked: its type is known before there is any data. */
export interface Compiled {
  readonly type: ValueType;
  readonly evaluate: (grid: Grid) => Value;
}

/** The queries that an expression can refer to. */
export interface Scope {
  /** Undefined where there is no such id. @throws MathError where that query is wrong itself, or refers to this one */
  readonly query: (id: string) => Compiled | undefined;
  /** Ids of all queries that are metrics, not expressions. */
  readonly metricIds: readonly string[];
}

const operators: Readonly<Record<Operator, (a: number, b: number) => number>> = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  // What is not finite becomes no data point.
  '/': (a, b) => a / b,
  '^': (a, b) => a ** b,
  '==': (a, b) => Number(a === b),
  '!=': (a, b) => Number(a !== b),
  '<': (a, b) => Number(a < b),
  '<=': (a, b) => Number(a <= b),
  '>': (a, b) => Number(a > b),
  '>=': (a, b) => Number(a >= b),
  '&&': (a, b) => Number(a !== 0 && b !== 0),
  '||': (a, b) => Number(a !== 0 || b !== 0),
};

/**
 * Checks an expression and makes it ready to run.
 * @throws MathError at an unknown id or function, or an argument of the wrong type
 */
export function compile(expression: Expression, scope: Scope): Compiled {
  switch (expression.kind) {
    case 'number':
      return { type: 'scalar', evaluate: () => scalar(expression.value) };
    case 'string':
      throw new MathError(`"${expression.value}" is no argument here`);
    case 'name':
      return reference(expression.name, scope);
    case 'list':
      return list(expression.items, scope);
    case 'negation': {
      const operand = compile(expression.operand, scope);
      return { type: operand.type, evaluate: grid => eachPoint(operand.evaluate(grid), point => -point) };
    }
    case 'operation':
      return operation(expression.operator, compile(expression.left, scope), compile(expression.right, scope));
    case 'call':
      return call(expression.name, expression.arguments, scope);
  }
}

function reference(id: string, { query }: Scope): Compiled {
  const found = query(id);
  if (!found) throw new MathError(`there is no query with the id ${id}`);
  return found;
}

function list(items: readonly Expression[], scope: Scope): Compiled {
  const compiled = items.map(item => compile(item, scope));
  if (compiled.length === 0 || compiled.some(({ type }) => type === 'scalar'))
    throw new MathError('a list holds time series');
  return { type: 'array', evaluate: grid => array(compiled.flatMap(item => seriesOf(item.evaluate(grid)))) };
}

const seriesOf = (value: Value): readonly Series[] => (value.type === 'array' ? value.items : [pointsOf(value)]);

function operation(operator: Operator, left: Compiled, right: Compiled): Compiled {
  if (left.type === 'array' && right.type === 'array')
    throw new MathError(`${operator} takes several time series on one side only`);
  const apply = operators[operator];
  const type =
    left.type === 'array' || right.type === 'array'
      ? 'array'
      : left.type === 'series' || right.type === 'series'
        ? 'series'
        : 'scalar';
  return { type, evaluate: grid => eachPair(left.evaluate(grid), right.evaluate(grid), apply) };
}

function call(name: string, given: readonly Expression[], scope: Scope): Compiled {
  if (name === 'METRICS') return metrics(given, scope);
  if (name === 'FILL') return filled(given, scope);
  if (name === 'ANOMALY_DETECTION_BAND') return band(given, scope);
  const known = Object.hasOwn(functions, name) ? functions[name] : undefined;
  if (!known) throw new MathError(`the local environment does not run the function ${name}`);
  const compiled = given.map(argument => compile(argument, scope));
  const type = known.type(compiled.map(argument => argument.type));
  if (!type) throw new MathError(`${name} takes ${known.takes}`);
  return {
    type,
    evaluate: grid =>
      known.apply(
        compiled.map(argument => argument.evaluate(grid)),
        grid,
      ),
  };
}

/** All metrics of the request, or those whose ids hold a text. */
function metrics([part, ...others]: readonly Expression[], scope: Scope): Compiled {
  if (others.length > 0 || (part && part.kind !== 'string')) throw new MathError('METRICS takes a text or nothing');
  const ids = scope.metricIds.filter(id => id.includes(part?.kind === 'string' ? part.value : ''));
  const compiled = ids.map(id => reference(id, scope));
  return { type: 'array', evaluate: grid => array(compiled.map(metric => pointsOf(metric.evaluate(grid)))) };
}

function filled([filling, by, ...others]: readonly Expression[], scope: Scope): Compiled {
  const wrong = new MathError('FILL takes time series, and a number, a time series, REPEAT or LINEAR');
  if (!filling || !by || others.length > 0) throw wrong;
  const target = compile(filling, scope);
  if (target.type === 'scalar') throw wrong;
  const keyword = by.kind === 'name' && (by.name === 'REPEAT' || by.name === 'LINEAR') ? by.name : undefined;
  const value = keyword === undefined ? compile(by, scope) : undefined;
  if (value?.type === 'array') throw wrong;
  return {
    type: target.type,
    evaluate: grid => {
      const source = keyword ?? spread((value as Compiled).evaluate(grid), grid.count);
      const into = target.evaluate(grid);
      return into.type === 'array'
        ? array(into.items.map(item => fill(item, source)))
        : series(fill(pointsOf(into), source));
    },
  };
}

/** Two time series: the lower edge, then the upper one. */
function band([metric, breadth, ...others]: readonly Expression[], scope: Scope): Compiled {
  const wrong = new MathError(
    'ANOMALY_DETECTION_BAND takes a time series and a positive number of standard deviations',
  );
  const target = metric && compile(metric, scope);
  if (target?.type !== 'series' || others.length > 0 || (breadth && breadth.kind !== 'number')) throw wrong;
  // "Using math expressions with CloudWatch metrics": 2 where none is given.
  const deviations = breadth?.kind === 'number' ? breadth.value : 2;
  if (deviations <= 0) throw wrong;
  return {
    type: 'array',
    evaluate: grid => {
      const found = anomalyBand(pointsOf(target.evaluate(trainingGrid(grid))), deviations);
      const edge = (value: number | undefined) => new Array<number | undefined>(grid.count).fill(value);
      return array([edge(found?.lower), edge(found?.upper)]);
    },
  };
}
