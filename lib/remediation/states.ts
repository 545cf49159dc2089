import { Choice, Condition, CustomState, Errors, Pass, type State } from 'aws-cdk-lib/aws-stepfunctions';
import type { Construct } from 'constructs';
import type { TimelineEntry } from '../../lambdas/shared/incidents.ts';
import type { StoreTable } from './permissions.ts';

/** A value for DynamoDB, `{S: …}`; keys that end in `.$` are paths. */
export type AttributeValue = Readonly<Record<string, unknown>>;

/** What is written to an incident beside its timeline. */
export interface IncidentChange {
  readonly set?: Readonly<Record<string, AttributeValue>>;
  readonly remove?: readonly string[];
  readonly add?: Readonly<Record<string, AttributeValue>>;
  /** Names in paths such as `undo.#position`, by their placeholder. */
  readonly names?: Readonly<Record<string, string>>;
}

/** A fixed text, or an expression such as `$.reason` or `States.Format(…)`. */
export type Text = string;

// A token of CDK begins with a `$` too.
const isExpression = (text: Text): boolean => /^(\$\$?(\.|$)|States\.)/.test(text);

/** `{key: text}` or `{"key.$": expression}`. */
export const texts = (entries: Readonly<Record<string, Text>>): Record<string, string> =>
  Object.fromEntries(Object.entries(entries).map(([key, text]) => [isExpression(text) ? `${key}.$` : key, text]));

/** A line break: no escape for it is documented for the strings of intrinsic functions. */
const lineBreak = "States.Base64Decode('Cg==')";

/** `States.Format`: each `{}` takes the next of `values`, and line breaks may stand in the template. */
export function format(template: string, ...values: readonly string[]): Text {
  if (/['\\]/.test(template)) throw new Error(`${template}: quotes and backslashes would have to be escaped`);
  let next = 0;
  const filled = [...template.matchAll(/\{\}|\n/g)].map(([part]) =>
    part === '{}' ? (values[next++] ?? '') : lineBreak,
  );
  if (next !== values.length || filled.includes(''))
    throw new Error(`${template}: ${values.length} values for ${next} {}`);
  return `States.Format('${template.replaceAll('\n', '{}')}'${filled.map(value => `, ${value}`).join('')})`;
}

/** A store or a service that fails for a moment is asked once more; longer it may not hold up what people wait for. */
const retry = { errors: [Errors.ALL], maxAttempts: 1 };

type Next = State;

/**
 * Makes a state that goes on to the next one whether it succeeds or fails: what is told or recorded must never hold up what
 * is done.
 */
export function inAnyCase(task: CustomState, next: Next): CustomState {
  task.addCatch(next, { errors: [Errors.ALL], resultPath: '$.ignored' });
  task.next(next);
  return task;
}

export interface TaskProps {
  readonly resource: string;
  readonly parameters: object;
  readonly resultSelector?: object;
  /** Where the result goes; nowhere if not given. */
  readonly resultPath?: string;
  readonly timeoutSeconds?: number;
  readonly comment?: string;
  /** @default true */
  readonly retried?: boolean;
}

/** A Task state of any service, with dynamic ARNs, which CDK's own tasks do not take. */
export function task(scope: Construct, id: string, props: TaskProps): CustomState {
  const { resource, parameters, resultSelector, resultPath, timeoutSeconds, comment, retried = true } = props;
  const state = new CustomState(scope, id, {
    stateJson: {
      Type: 'Task',
      ...(comment !== undefined && { Comment: comment }),
      Resource: `arn:aws:states:::${resource}`,
      Parameters: parameters,
      ...(resultSelector !== undefined && { ResultSelector: resultSelector }),
      ResultPath: resultPath ?? null,
      ...(timeoutSeconds !== undefined && { TimeoutSeconds: timeoutSeconds }),
    },
  });
  if (retried) state.addRetry(retry);
  return state;
}

/** Writes of the state machines to the Operations table. */
export class IncidentWrites {
  private readonly table: StoreTable;

  constructor(table: StoreTable) {
    this.table = table;
  }

  /** Puts an entry on the timeline of the incident whose id is `$.id`, and changes what else is given. */
  note(
    scope: Construct,
    id: string,
    kind: TimelineEntry['kind'],
    text: Text,
    change: IncidentChange = {},
  ): CustomState {
    const entry = {
      M: { at: { 'S.$': '$$.State.EnteredTime' }, kind: { S: kind }, text: texts({ S: text }) },
    };
    return this.update(scope, id, change, entry);
  }

  /** Changes an incident without a word on its timeline. */
  change(scope: Construct, id: string, change: IncidentChange): CustomState {
    return this.update(scope, id, change, undefined);
  }

  private update(scope: Construct, id: string, change: IncidentChange, entry: object | undefined): CustomState {
    const { set = {}, remove = [], add = {}, names = {} } = change;
    const placeholder = (path: string) =>
      path
        .split('.')
        .map(part => (part.startsWith('#') ? part : `#${part}`))
        .join('.');
    const value = (path: string) => `:${path.replace(/.*[.#]/, '')}`;
    const sets = Object.keys(set).map(path => `${placeholder(path)} = ${value(path)}`);
    if (entry) sets.push('#timeline = list_append(if_not_exists(#timeline, :none), :entry)');
    const adds = Object.keys(add).map(path => `${placeholder(path)} ${value(path)}`);
    const plain = [...Object.keys(set), ...remove, ...Object.keys(add), ...(entry ? ['timeline'] : [])]
      .flatMap(path => path.split('.'))
      .filter(part => !part.startsWith('#'));
    const values = { ...set, ...add };
    return task(scope, id, {
      resource: 'dynamodb:updateItem',
      parameters: {
        TableName: this.table.tableName,
        Key: { record: { 'S.$': "States.Format('incident#{}', $.id)" } },
        UpdateExpression: [
          sets.length > 0 && `SET ${sets.join(', ')}`,
          remove.length > 0 && `REMOVE ${remove.map(placeholder).join(', ')}`,
          adds.length > 0 && `ADD ${adds.join(', ')}`,
        ]
          .filter(Boolean)
          .join(' '),
        // An update would make a record of its own where the incident could not be opened: of what, nobody would know.
        ConditionExpression: 'attribute_exists(#record)',
        ExpressionAttributeNames: {
          ...Object.fromEntries([...plain, 'record'].map(part => [`#${part}`, part])),
          ...namesOf(names),
        },
        ...(sets.length + adds.length > 0 && {
          ExpressionAttributeValues: {
            ...Object.fromEntries(Object.entries(values).map(([path, given]) => [value(path), given])),
            ...(entry && { ':none': { L: [] }, ':entry': { L: [entry] } }),
          },
        }),
      },
    });
  }
}

const namesOf = (names: Readonly<Record<string, string>>): Record<string, string> =>
  texts(Object.fromEntries(Object.entries(names).map(([placeholder, path]) => [placeholder, path])));

/** Where `whyItFailed` puts its words. */
export const why = '$.why.words';

/**
 * Puts into words why an execution that was waited for failed. What Step Functions tells as the cause is the whole
 * description of that execution as JSON text, whose own cause is what people can read.
 * @param failure where the error was caught, such as `$.ran`
 */
export function whyItFailed(scope: Construct, id: string, failure: string, next: State): Choice {
  const say = (name: string, words: Text) => {
    const pass = new Pass(scope, `${id}: ${name}`, { parameters: texts({ words }), resultPath: '$.why' });
    pass.next(next);
    return pass;
  };
  const own = new Pass(scope, `${id}: its description`, {
    parameters: { 'execution.$': `States.StringToJson(${failure}.Cause)` },
    resultPath: '$.why',
  });
  own.next(
    new Choice(scope, `${id}: has it said why`)
      .when(Condition.isPresent('$.why.execution.Cause'), say('in its own words', '$.why.execution.Cause'))
      .otherwise(say('how it ended', format('it ended as {}', '$.why.execution.Status'))),
  );
  return new Choice(scope, id)
    .when(
      Condition.and(
        Condition.isPresent(`${failure}.Cause`),
        Condition.stringMatches(`${failure}.Cause`, '{*"Status":*'),
      ),
      own,
    )
    .when(
      Condition.and(
        Condition.isPresent(`${failure}.Cause`),
        Condition.not(Condition.stringEquals(`${failure}.Cause`, '')),
      ),
      say('error and cause', format('{}: {}', `${failure}.Error`, `${failure}.Cause`)),
    )
    .otherwise(say('the error', `${failure}.Error`));
}

/** Tells somebody. It is tried for a minute: whoever is not told does not come. */
export function publish(
  scope: Construct,
  id: string,
  { topic, subject, message, attributes }: { topic: Text; subject: Text; message: Text; attributes?: object },
): CustomState {
  const state = task(scope, id, {
    resource: 'sns:publish',
    parameters: {
      ...texts({ TopicArn: topic, Subject: subject, Message: message }),
      ...(attributes && { MessageAttributes: attributes }),
    },
    retried: false,
  });
  state.addRetry({ errors: [Errors.ALL], maxAttempts: 4, backoffRate: 2 });
  return state;
}

/** Asks at the incident `$.id` whether a person wants its automation to end; `isToStop` has the answer. */
export function askWhetherToStop(scope: Construct, id: string, operations: StoreTable): CustomState {
  return task(scope, id, {
    resource: 'dynamodb:getItem',
    parameters: {
      TableName: operations.tableName,
      Key: { record: { 'S.$': "States.Format('incident#{}', $.id)" } },
      ConsistentRead: true,
      ProjectionExpression: '#stop',
      ExpressionAttributeNames: { '#stop': 'stop' },
    },
    resultPath: '$.asked',
  });
}

export const isToStop = Condition.isPresent('$.asked.Item.stop');
