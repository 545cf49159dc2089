/** An expression of metric math, as written. */
export type Expression =
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string }
  /** Id of another query, or a keyword of FILL. */
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'list'; readonly items: readonly Expression[] }
  | { readonly kind: 'negation'; readonly operand: Expression }
  | { readonly kind: 'operation'; readonly operator: Operator; readonly left: Expression; readonly right: Expression }
  | { readonly kind: 'call'; readonly name: string; readonly arguments: readonly Expression[] };

/** "Using math expressions with CloudWatch metrics": AND and OR have the spellings `&&` and `||` too. */
export type Operator = '||' | '&&' | '==' | '!=' | '<=' | '>=' | '<' | '>' | '+' | '-' | '*' | '/' | '^';

/** An expression that cannot be run; the message says what is wrong where. */
export class MathError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'MathError';
  }
}

interface Token {
  readonly kind: 'number' | 'string' | 'name' | 'symbol' | 'end';
  readonly text: string;
  /** From 1. */
  readonly column: number;
}

const token =
  /\s*(?:(?<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\.\d+)|(?<string>"[^"]*"|'[^']*')|(?<name>[A-Za-z]\w*)|(?<symbol>\|\||&&|[=!<>]=|[-+*/^<>()[\],]))/y;

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  token.lastIndex = 0;
  while (text.slice(token.lastIndex).trim() !== '') {
    const start = token.lastIndex;
    const groups = token.exec(text)?.groups;
    if (!groups) {
      const column = start + (/^\s*/.exec(text.slice(start))?.[0].length ?? 0) + 1;
      throw new MathError(`column ${column}: '${text[column - 1]}' is not part of metric math`);
    }
    const [kind, found] = Object.entries(groups).find(([, value]) => value !== undefined) as [Token['kind'], string];
    tokens.push({ kind, text: found, column: token.lastIndex - found.length + 1 });
  }
  tokens.push({ kind: 'end', text: 'the end', column: text.length + 1 });
  return tokens;
}

/** Binding powers, weakest first. */
const precedence: readonly (readonly Operator[])[] = [
  ['||'],
  ['&&'],
  ['==', '!=', '<=', '>=', '<', '>'],
  ['+', '-'],
  ['*', '/'],
  ['^'],
];
const powerOf = new Map(precedence.flatMap((operators, power) => operators.map(operator => [operator, power + 1])));
const negationPower = 5.5;
const words: ReadonlyMap<string, Operator> = new Map([
  ['AND', '&&'],
  ['OR', '||'],
]);

/**
 * Reads an expression.
 * @throws MathError that names the column
 */
export function parseExpression(text: string): Expression {
  const tokens = tokensOf(text);
  let position = 0;
  const peek = (): Token => tokens[position] as Token;
  const next = (): Token => tokens[position++] as Token;
  const wrong = ({ text: found, column }: Token, expected: string) =>
    new MathError(`column ${column}: ${expected} expected, not ${found}`);
  const expect = (symbol: string): void => {
    const found = next();
    if (found.text !== symbol || found.kind !== 'symbol') throw wrong(found, `'${symbol}'`);
  };

  function items(end: string): Expression[] {
    const list: Expression[] = [];
    if (peek().text === end) next();
    else {
      do list.push(expression(0));
      while (peek().text === ',' && next());
      expect(end);
    }
    return list;
  }

  function operand(): Expression {
    const found = next();
    if (found.kind === 'number') return { kind: 'number', value: Number(found.text) };
    if (found.kind === 'string') return { kind: 'string', value: found.text.slice(1, -1) };
    if (found.kind === 'name') {
      if (peek().text !== '(') return { kind: 'name', name: found.text };
      next();
      return { kind: 'call', name: found.text, arguments: items(')') };
    }
    if (found.text === '-') return { kind: 'negation', operand: expression(negationPower) };
    if (found.text === '[') return { kind: 'list', items: items(']') };
    if (found.text === '(') {
      const inner = expression(0);
      expect(')');
      return inner;
    }
    throw wrong(found, 'a number, an id, a function or a bracket');
  }

  function expression(weakest: number): Expression {
    let left = operand();
    for (;;) {
      const found = peek();
      const operator = (words.get(found.text) ?? found.text) as Operator;
      const power = powerOf.get(operator);
      if (found.kind === 'string' || power === undefined || power <= weakest) return left;
      next();
      // Powers bind from the right, everything else from the left.
      const right = expression(operator === '^' ? power - 1 : power);
      left = { kind: 'operation', operator, left, right };
    }
  }

  const result = expression(0);
  if (peek().kind !== 'end') throw wrong(peek(), 'an operator or the end');
  return result;
}
