import { ConditionalCheckFailedException } from '@aws-sdk/client-dynamodb';
import { type DynamoDBDocumentClient, GetCommand, PutCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { epochSeconds } from '../shared/dynamodb.ts';
import type { IsRunning } from '../shared/executions.ts';
import {
  type Incident,
  incidentKeptMs,
  incidentRecord,
  incidentSchema,
  openRecord,
  type PendingUndo,
  undoOrder,
} from '../shared/incidents.ts';
import { operationsTable } from '../shared/tables.ts';
import type { OpenRequest } from './request.ts';

export interface Opened {
  /** `duplicate`: another execution works on this alarm, or people do. `taken-over`: from one that does not run any more. */
  readonly verdict: 'opened' | 'taken-over' | 'duplicate';
  readonly incident: string;
  /** Whether people were told already, and the escalation runs. */
  readonly announced: boolean;
  /** The attempt to begin with. */
  readonly position: number;
  /** Changes that are still to be given back, the last one first. */
  readonly undo: readonly (Omit<PendingUndo, 'change'> & { readonly key: string; readonly change: unknown })[];
}

export interface IncidentStore {
  /** @throws what the SDK throws, where the store cannot be asked */
  open(request: OpenRequest): Promise<Opened>;
}

const { partitionKey } = operationsTable;

const parsed = <Pending extends PendingUndo>({ change, ...pending }: Pending) => ({
  ...pending,
  change: JSON.parse(change) as unknown,
});

export function dynamoDbIncidents(
  client: DynamoDBDocumentClient,
  TableName: string,
  isRunning: IsRunning,
): IncidentStore {
  const get = async (record: string) => {
    const key = { [partitionKey]: record };
    return (await client.send(new GetCommand({ TableName, Key: key, ConsistentRead: true }))).Item;
  };

  /** @returns false where somebody else has it */
  const take = async ({ alarm, execution }: OpenRequest, incident: string, from: string | undefined) => {
    try {
      await client.send(
        new PutCommand({
          TableName,
          Item: { [partitionKey]: openRecord(alarm), incident, owner: execution },
          ...(from === undefined
            ? { ConditionExpression: 'attribute_not_exists(#key)', ExpressionAttributeNames: { '#key': partitionKey } }
            : {
                ConditionExpression: '#owner = :from',
                ExpressionAttributeNames: { '#owner': 'owner' },
                ExpressionAttributeValues: { ':from': from },
              }),
        }),
      );
      return true;
    } catch (error) {
      if (error instanceof ConditionalCheckFailedException) return false;
      throw error;
    }
  };

  const begin = async (request: OpenRequest): Promise<Opened> => {
    const { id, alarm, severity, title, link, reason, topic, windowSeconds, execution, now } = request;
    const alarmAt = new Date(request.alarmAt).toISOString();
    await client.send(
      new PutCommand({
        TableName,
        Item: {
          ...{ [partitionKey]: incidentRecord(id), status: 'open', alarm, severity, title, link, reason, topic },
          ...{ windowSeconds, execution, alarmAt, openedAt: now, undo: {}, position: 0, takeovers: 0, quiet: 0 },
          timeline: [{ at: alarmAt, kind: 'alarm', text: `${alarm} is in ALARM: ${reason}` }],
          expiresAt: epochSeconds(Date.parse(now) + incidentKeptMs),
        },
      }),
    );
    return { verdict: 'opened', incident: id, announced: false, position: 0, undo: [] };
  };

  const takeOver = async ({ execution, now }: OpenRequest, incident: Incident): Promise<Opened> => {
    const text =
      incident.status === 'superseded'
        ? 'the more severe alarm is over, this one is not'
        : 'taken over from an execution that ended before its work was done';
    await client.send(
      new UpdateCommand({
        TableName,
        Key: { [partitionKey]: incidentRecord(incident.record) },
        UpdateExpression:
          'SET #status = :open, #execution = :execution, #timeline = list_append(if_not_exists(#timeline, :none), :entry) ADD #takeovers :one',
        ExpressionAttributeNames: {
          ...{ '#status': 'status', '#execution': 'execution', '#timeline': 'timeline', '#takeovers': 'takeovers' },
        },
        ExpressionAttributeValues: {
          ...{ ':open': 'open', ':execution': execution, ':none': [], ':one': 1 },
          ':entry': [{ at: now, kind: 'decision', text }],
        },
      }),
    );
    const { record, announced, undo } = incident;
    // An attempt that has changed something is not run again: it would take what it changed itself for what was before.
    const position = Object.hasOwn(undo, String(incident.position)) ? incident.position + 1 : incident.position;
    return { verdict: 'taken-over', incident: record, announced, position, undo: undoOrder(incident).map(parsed) };
  };

  return {
    async open(request) {
      const { id, alarm, execution } = request;
      if (await take(request, id, undefined)) return begin(request);
      const held = await get(openRecord(alarm));
      const [owner, id2] = [String(held?.owner ?? ''), String(held?.incident ?? id)];
      const duplicate: Opened = { verdict: 'duplicate', incident: id2, announced: true, position: 0, undo: [] };
      // Closed meanwhile: whoever closed it saw the alarm OK, and if it is not, the reconciler comes within a minute.
      if (!held) return duplicate;
      const item = await get(incidentRecord(id2));
      const incident = item && incidentSchema.parse(item);
      // The answer to the first try got lost.
      if (owner === execution) return incident ? { ...duplicate, verdict: 'opened', announced: false } : begin(request);
      if (!incident || incident.status === 'closed')
        return (await take(request, id, owner)) ? begin(request) : duplicate;
      if (incident.status === 'escalated' || incident.status === 'stopped') return duplicate;
      if (incident.status === 'open' && (await isRunning(owner))) return duplicate;
      return (await take(request, id2, owner)) ? takeOver(request, incident) : duplicate;
    },
  };
}
