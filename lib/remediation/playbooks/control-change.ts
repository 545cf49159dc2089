import { Choice, Condition, Pass, type State } from 'aws-cdk-lib/aws-stepfunctions';
import { type Control, controlRecord } from '../../../lambdas/shared/control.ts';
import { operationsTable } from '../../../lambdas/shared/tables.ts';
import type { StoreTable } from '../permissions.ts';
import { type AttributeValue, format, type Text } from '../states.ts';
import type { Playbook } from './playbook.ts';

/** What DynamoDB answers where a condition does not hold. */
export const conditionFailed = 'DynamoDB.ConditionalCheckFailedException';

/** The control record's key, as a request has it. */
export const controlKey = { [operationsTable.partitionKey]: { S: controlRecord } };

export interface ControlField {
  readonly name: keyof Control;
  readonly value: AttributeValue;
  /** The member of a map by which two values are compared; the value itself if not given. */
  readonly comparedBy?: string;
}

/** A field as it is compared. */
type Compared = Pick<ControlField, 'name' | 'comparedBy'>;

const memberOf = ({ comparedBy }: Compared): string => (comparedBy === undefined ? '' : '.#member');
const memberName = (fields: readonly Compared[]): Record<string, string> => {
  const [member] = fields.flatMap(({ comparedBy }) => (comparedBy === undefined ? [] : [comparedBy]));
  return member === undefined ? {} : { '#member': member };
};

export interface ControlChangeProps {
  readonly table: StoreTable;
  /** What is written; the first one's strength decides whether anything is. */
  readonly fields: readonly [ControlField, ...ControlField[]];
  /** How the first field compares with what is asked for where it is weaker; what is as strong already is left alone. */
  readonly weaker: '<' | '<>';
  /** What it does, for the summary. */
  readonly says: Text;
}

interface Names {
  readonly owner: string;
  readonly incident: string;
  readonly before: (field: keyof Control) => string;
  readonly set: (field: keyof Control) => string;
}

/**
 * Beside the field that a playbook changes stand whose change it is, for which incident, what was there before and what was
 * written. So one playbook that takes a change over from another keeps what was there before both, and nothing is given back
 * that somebody has changed since. The functions read none of it.
 */
export const changeNames = (first: keyof Control): Names => ({
  owner: `${first}Owner`,
  incident: `${first}Incident`,
  before: field => `${field}Before`,
  set: field => `${field}Set`,
});

/** The names of the fields and of what stands beside them, by placeholder. */
export function placeholders(fields: readonly (keyof Control)[]): Record<string, string> {
  const [first] = fields;
  if (!first) throw new Error('a change without fields');
  const names = changeNames(first);
  return {
    '#owner': names.owner,
    '#incident': names.incident,
    ...Object.fromEntries(
      fields.flatMap((field, n) => [
        [`#field${n}`, field],
        [`#before${n}`, names.before(field)],
        [`#set${n}`, names.set(field)],
      ]),
    ),
  };
}

const only = (names: Readonly<Record<string, string>>, expression: string): Record<string, string> =>
  Object.fromEntries(Object.entries(names).filter(([name]) => new RegExp(`${name}(?!\\w)`).test(expression)));

/** An update of the control record; names and values that it does not use are left out, since DynamoDB refuses them. */
export function controlUpdate(
  table: StoreTable,
  update: string,
  condition: string,
  names: Readonly<Record<string, string>>,
  values: Readonly<Record<string, AttributeValue>>,
) {
  const text = `${update} ${condition}`;
  const used = Object.fromEntries(Object.entries(values).filter(([name]) => new RegExp(`${name}(?!\\w)`).test(text)));
  return {
    TableName: table.tableName,
    Key: controlKey,
    UpdateExpression: update,
    ConditionExpression: condition,
    ExpressionAttributeNames: only(names, text),
    ...(Object.keys(used).length > 0 && { ExpressionAttributeValues: used }),
    ReturnValues: 'ALL_NEW',
  };
}

export interface ControlChange {
  /** Writes and answers. */
  readonly run: State;
  /** Says what would be written, and what is there now. */
  readonly dryRun: State;
  /** Gives back by `$.undo.owner`, and answers. */
  readonly undo: State;
}

/** The states that change fields of the control record for as long as an incident needs it. */
export function controlChange(playbook: Playbook, { table, fields, weaker, says }: ControlChangeProps): ControlChange {
  const [first] = fields;
  const fieldNames = fields.map(({ name }) => name);
  const names = { ...placeholders(fieldNames), ...memberName(fields) };
  const member = memberOf(first);
  const values: Record<string, AttributeValue> = {
    ':owner': { 'S.$': '$$.Execution.Id' },
    ':incident': { 'S.$': incidentPath },
    ':none': { NULL: true },
    ':null': { S: 'NULL' },
    ...Object.fromEntries(fields.map(({ value }, n) => [`:field${n}`, value])),
    ':compared': first.comparedBy === undefined ? first.value : memberValue(first.value, first.comparedBy),
  };
  const each = (write: (n: number) => string) => fields.map((_, n) => write(n)).join(', ');
  const isWeaker = `attribute_not_exists(#field0) OR attribute_type(#field0, :null) OR #field0${member} ${weaker} :compared`;

  const done = playbook.answer('Done', {
    changed: true,
    summary: says,
    change: { 'owner.$': '$$.Execution.Id' },
    report: { 'before.$': '$.written' },
  });
  const already = playbook.answer('It is so already', {
    changed: false,
    summary: format(`${first.name} is as strong already: {} changed nothing`, '$$.Execution.Name'),
  });
  const written = {
    resource: 'dynamodb:updateItem',
    resultSelector: Object.fromEntries(
      fieldNames.map(name => [`${name}.$`, `$.Attributes.${changeNames(first.name).before(name)}`]),
    ),
    resultPath: '$.written',
  };
  // One that was cut off, with whoever started it, has told nobody what is to be given back.
  const adopt = playbook.task(
    'Adopt the change of the same incident',
    {
      ...written,
      parameters: controlUpdate(
        table,
        'SET #owner = :owner',
        `attribute_exists(#owner) AND #field0${member} = #set0${member} AND #incident = :incident`,
        names,
        values,
      ),
    },
    { [conditionFailed]: already },
  );
  adopt.next(
    playbook.answer('It is of this incident', {
      changed: true,
      summary: `${first.name} is as strong already, by an earlier try for this incident`,
      change: { 'owner.$': '$$.Execution.Id' },
      report: { 'before.$': '$.written' },
    }),
  );
  // A second try of its own finds its own change, and counts as the first.
  const takeOver = playbook.task(
    'Take over the change of another playbook',
    {
      ...written,
      parameters: controlUpdate(
        table,
        `SET #owner = :owner, #incident = :incident, ${each(n => `#field${n} = :field${n}, #set${n} = :field${n}`)}`,
        `attribute_exists(#owner) AND #field0${member} = #set0${member} AND (${isWeaker} OR #owner = :owner)`,
        names,
        values,
      ),
    },
    { [conditionFailed]: adopt },
  );
  takeOver.next(done);
  const write = playbook.task(
    'Change the control record',
    {
      ...written,
      parameters: controlUpdate(
        table,
        `SET #owner = :owner, #incident = :incident, ${each(n => `#before${n} = if_not_exists(#field${n}, :none), #field${n} = :field${n}, #set${n} = :field${n}`)}`,
        `(attribute_not_exists(#owner) OR attribute_not_exists(#field0) OR #field0${member} <> #set0${member}) AND (${isWeaker})`,
        names,
        values,
      ),
    },
    { [conditionFailed]: takeOver },
  );
  write.next(done);

  return {
    run: forIncident(playbook, write),
    dryRun: readThenSay(playbook, table, fieldNames, says),
    undo: giveBack(playbook, table, fields),
  };
}

/** Where a playbook has the incident that its change is for. */
export const incidentPath = '$.for.incident';

/** Puts at `incidentPath` which incident a change is for; by hand it is for none but its own execution. */
export function forIncident(playbook: Playbook, next: State): State {
  const of = (id: string, path: string) => {
    const pass = new Pass(playbook, id, { parameters: { 'incident.$': path }, resultPath: '$.for' });
    pass.next(next);
    return pass;
  };
  return new Choice(playbook, 'For which incident')
    .when(Condition.isPresent('$.incident'), of('For an incident', '$.incident'))
    .otherwise(of('By hand', '$$.Execution.Id'));
}

function memberValue(value: AttributeValue, member: string): AttributeValue {
  const found = (value.M as Record<string, AttributeValue> | undefined)?.[member];
  if (!found) throw new Error(`there is no ${member} to compare by`);
  return found;
}

/** Reads the control record and says what would be done. */
export function readThenSay(
  playbook: Playbook,
  table: StoreTable,
  fields: readonly (keyof Control)[],
  says: Text,
): State {
  const read = playbook.task('Read the control record', {
    resource: 'aws-sdk:dynamodb:getItem',
    parameters: {
      TableName: table.tableName,
      Key: controlKey,
      ConsistentRead: true,
      ProjectionExpression: fields.map((_, n) => `#field${n}`).join(', '),
      ExpressionAttributeNames: Object.fromEntries(fields.map((field, n) => [`#field${n}`, field])),
    },
    resultPath: '$.now',
  });
  read.next(
    playbook.answer('Say what would be done', {
      changed: false,
      // A fixed text is no value that `format` takes.
      summary: says.startsWith('States.') ? format('dry run: {}', says) : `dry run: ${says}`,
      report: { 'now.$': '$.now' },
    }),
  );
  return read;
}

/** Why an undo leaves fields alone. */
export const notGivenBack = (fields: readonly string[]): string =>
  `nothing is done to ${fields.join(' and ')}: given back already, or changed by somebody since`;

/** Gives the fields back as they were, where `$.undo.owner` still owns the change and nobody has changed them since. */
function giveBack(playbook: Playbook, table: StoreTable, fields: readonly Compared[]): State {
  const names = fields.map(({ name }) => name);
  const each = (write: (n: number, member: string) => string, separator = ', ') =>
    fields.map((field, n) => write(n, memberOf(field))).join(separator);
  const state = playbook.task(
    'Give back',
    {
      resource: 'dynamodb:updateItem',
      parameters: controlUpdate(
        table,
        `SET ${each(n => `#field${n} = #before${n}`)} REMOVE #owner, #incident, ${each(n => `#before${n}, #set${n}`)}`,
        `#owner = :owner AND ${each((n, member) => `#field${n}${member} = #set${n}${member}`, ' AND ')}`,
        { ...placeholders(names), ...memberName(fields) },
        { ':owner': { 'S.$': '$.undo.owner' } },
      ),
    },
    {
      [conditionFailed]: playbook.answer('Changed since', {
        changed: false,
        summary: notGivenBack(names),
      }),
    },
  );
  state.next(
    playbook.answer('Given back', { changed: true, summary: `${names.join(' and ')} are as they were before` }),
  );
  return state;
}
