import type { Identity, Place } from './resource.ts';
import { TemplateError } from './template-error.ts';

/** What the intrinsic functions of one stack's template can refer to. */
export interface Scope {
  readonly stack: string;
  readonly place: Place;
  /** @throws TemplateError where the stack declares no such resource */
  readonly identity: (logicalId: string) => Identity;
  /** The value that another stack exports. @throws TemplateError where none does */
  readonly exported: (name: string) => unknown;
}

/** `AWS::NoValue`: the property is as if it were not there. */
const noValue = Symbol('AWS::NoValue');

function ref(name: string, { stack, place, identity }: Scope): unknown {
  switch (name) {
    case 'AWS::AccountId':
      return place.account;
    case 'AWS::Region':
      return place.region;
    case 'AWS::Partition':
      return place.partition;
    case 'AWS::URLSuffix':
      return 'amazonaws.com';
    case 'AWS::StackName':
      return stack;
    case 'AWS::StackId':
      return `arn:${place.partition}:cloudformation:${place.region}:${place.account}:stack/${stack}/local`;
    case 'AWS::NoValue':
      return noValue;
    default:
      return identity(name).physicalId;
  }
}

function getAtt(argument: unknown, scope: Scope): string {
  const [logicalId, ...path] = Array.isArray(argument) ? argument.map(String) : String(argument).split('.');
  const attribute = path.join('.');
  const value = scope.identity(logicalId ?? '').attributes[attribute];
  if (value === undefined) throw new TemplateError(`${scope.stack}.${logicalId} has no attribute ${attribute} here`);
  return value;
}

/** The two arguments of a function that takes a list of two. */
function pair(argument: unknown, name: string, scope: Scope): readonly [first: unknown, second: unknown] {
  if (Array.isArray(argument) && argument.length === 2) return [resolve(argument[0], scope), argument[1]];
  throw new TemplateError(
    `${name} in ${scope.stack} is given ${JSON.stringify(argument)}, two arguments were expected`,
  );
}

function list(value: unknown, name: string, scope: Scope): unknown[] {
  const resolved = resolve(value, scope);
  if (Array.isArray(resolved)) return resolved;
  throw new TemplateError(`${name} in ${scope.stack} is given ${typeof resolved}, a list was expected`);
}

function sub(argument: unknown, scope: Scope): string {
  const [template, given] = Array.isArray(argument) ? argument : [argument, {}];
  const variables = resolve(given, scope) as Record<string, unknown>;
  return String(template).replace(/\$\{(!?)([^}]+)\}/g, (_, literal: string, name: string) => {
    if (literal) return `\${${name}}`;
    if (Object.hasOwn(variables, name)) return String(variables[name]);
    return String(name.includes('.') ? getAtt(name, scope) : ref(name, scope));
  });
}

type Intrinsic = (argument: unknown, scope: Scope) => unknown;

const intrinsics: Readonly<Record<string, Intrinsic>> = {
  Ref: (argument, scope) => ref(String(argument), scope),
  'Fn::GetAtt': getAtt,
  'Fn::Sub': sub,
  'Fn::Join': (argument, scope) => {
    const [separator, parts] = pair(argument, 'Fn::Join', scope);
    return list(parts, 'Fn::Join', scope).join(String(separator));
  },
  'Fn::Select': (argument, scope) => {
    const [index, values] = pair(argument, 'Fn::Select', scope);
    const value = list(values, 'Fn::Select', scope)[Number(index)];
    if (value === undefined) throw new TemplateError(`Fn::Select in ${scope.stack}: the list has no item ${index}`);
    return value;
  },
  'Fn::Split': (argument, scope) => {
    const [separator, text] = pair(argument, 'Fn::Split', scope);
    return String(resolve(text, scope)).split(String(separator));
  },
  'Fn::ImportValue': (argument, scope) => scope.exported(String(resolve(argument, scope))),
};

/**
 * Resolves the intrinsic functions in a value of a template.
 * @throws TemplateError at a function that is not known here, or a reference that leads nowhere
 */
export function resolve(value: unknown, scope: Scope): unknown {
  if (Array.isArray(value)) return value.map(item => resolve(item, scope)).filter(item => item !== noValue);
  if (typeof value !== 'object' || value === null) return value;
  const [only, ...others] = Object.entries(value);
  if (only && others.length === 0 && (only[0] === 'Ref' || only[0].startsWith('Fn::'))) {
    const [name, argument] = only;
    const intrinsic = intrinsics[name];
    if (!intrinsic) throw new TemplateError(`${name} in ${scope.stack} cannot be resolved on this machine`);
    return intrinsic(argument, scope);
  }
  return Object.fromEntries(
    Object.entries(value)
      .map(([key, item]) => [key, resolve(item, scope)] as const)
      .filter(([, item]) => item !== noValue),
  );
}
