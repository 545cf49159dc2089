import { ConditionalCheckFailedException } from '@aws-sdk/client-dynamodb';
import { SendTaskSuccessCommand, TaskTimedOut } from '@aws-sdk/client-sfn';
import { paginateScan, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { controlRecord } from '../../lambdas/shared/control.ts';
import { type Incident, incidentRecord, incidentSchema } from '../../lambdas/shared/incidents.ts';
import type { Target } from './target.ts';

/** Who does something, and when. */
export interface Person {
  readonly by: string;
  /** ISO 8601. */
  readonly at: string;
}

export const switchPositions = ['automatic', 'approval', 'off'] as const;
export type SwitchPosition = (typeof switchPositions)[number];

/** All incidents that are kept, the newest first. */
export async function listIncidents({ store, table }: Target, beginning = ''): Promise<Incident[]> {
  const found: Incident[] = [];
  const pages = paginateScan(
    { client: store },
    {
      TableName: table,
      ConsistentRead: true,
      FilterExpression: 'begins_with(#record, :incident)',
      ExpressionAttributeNames: { '#record': 'record' },
      ExpressionAttributeValues: { ':incident': incidentRecord(beginning) },
    },
  );
  for await (const { Items = [] } of pages) found.push(...Items.map(item => incidentSchema.parse(item)));
  return found.sort((one, other) => ((one.openedAt ?? '') < (other.openedAt ?? '') ? 1 : -1));
}

/** One by its id, or the beginning of it. @throws Error where there is none, or more than one */
export async function findIncident(target: Target, id: string): Promise<Incident> {
  const found = await listIncidents(target, id);
  const [only, ...others] = found.some(({ record }) => record === id)
    ? found.filter(({ record }) => record === id)
    : found;
  if (!only) throw new Error(`there is no incident ${id}; npm run incident -- list --all`);
  if (others.length > 0)
    throw new Error(`${id} begins several: ${found.map(({ record }) => record).join(', ')}; give more of it`);
  return only;
}

/** Sets fields and says so on the timeline. @throws Error where the incident is closed and `whileOpen` */
async function change(
  { store, table }: Target,
  { record }: Incident,
  { at }: Person,
  text: string,
  set: Readonly<Record<string, unknown>>,
  whileOpen = true,
): Promise<void> {
  const fields = Object.keys(set);
  try {
    await store.send(
      new UpdateCommand({
        TableName: table,
        Key: { record: incidentRecord(record) },
        UpdateExpression: `SET ${[
          ...fields.map(field => `#${field} = :${field}`),
          '#timeline = list_append(if_not_exists(#timeline, :none), :entry)',
        ].join(', ')}`,
        ...(whileOpen && { ConditionExpression: '#status <> :closed' }),
        ExpressionAttributeNames: {
          ...Object.fromEntries(fields.map(field => [`#${field}`, field])),
          ...(whileOpen && { '#status': 'status' }),
          '#timeline': 'timeline',
        },
        ExpressionAttributeValues: {
          ...Object.fromEntries(fields.map(field => [`:${field}`, set[field]])),
          ...(whileOpen && { ':closed': 'closed' }),
          ':none': [],
          ':entry': [{ at, kind: 'person', text }],
        },
      }),
    );
  } catch (error) {
    if (error instanceof ConditionalCheckFailedException) throw new Error(`${record} is closed`);
    throw error;
  }
}

/** Keeps the escalation from telling further people. */
export const acknowledge = (target: Target, incident: Incident, person: Person): Promise<void> =>
  change(target, incident, person, `${person.by} has seen it`, { acknowledged: person });

/**
 * Ends the automation; what it changed is undone. An approval that is waited for is refused. The incident stays until all is
 * well.
 */
export async function stop(target: Target, incident: Incident, person: Person): Promise<void> {
  await change(target, incident, person, `${person.by} stops the automation`, { stop: person });
  if (incident.approval) await answer(target, incident, person, false);
}

/** @throws Error where nothing waits for an answer, or no more */
export async function answer({ states }: Target, incident: Incident, { by }: Person, approved: boolean): Promise<void> {
  const { approval, record } = incident;
  if (!approval) throw new Error(`${record} waits for no approval`);
  try {
    await states.send(
      new SendTaskSuccessCommand({ taskToken: approval.token, output: JSON.stringify({ approved, by }) }),
    );
  } catch (error) {
    if (error instanceof TaskTimedOut) throw new Error(`${record} waits for an approval no more`);
    throw error;
  }
}

/** Ticks what only a person can see, such as that nobody complains any more. */
export const confirm = (target: Target, incident: Incident, person: Person, what: string): Promise<void> =>
  change(
    target,
    incident,
    person,
    `${person.by} confirms: ${what}`,
    { confirmations: { ...incident.confirmations, [what]: person } },
    false,
  );

/** What the remediation may do by itself, for all alarms of the service. */
export async function setSwitch({ store, table }: Target, position: SwitchPosition): Promise<void> {
  await store.send(
    new UpdateCommand({
      TableName: table,
      Key: { record: controlRecord },
      UpdateExpression: 'SET #remediation = :position',
      ExpressionAttributeNames: { '#remediation': 'remediation' },
      ExpressionAttributeValues: { ':position': position },
    }),
  );
}
