import { z } from 'zod';
import type { Place } from '../assembly/resource.ts';
import { AwsError } from '../aws/service.ts';
import type { Json } from './dynalite.ts';
import { tableArn } from './identities.ts';

const request = z.record(z.string(), z.unknown());
const requestItems = z.record(z.string(), z.unknown());
const writes = z.array(
  z.union([
    z.looseObject({ PutRequest: z.looseObject({ Item: request }) }),
    z.looseObject({ DeleteRequest: z.looseObject({ Key: request }) }),
  ]),
);

/** @throws AwsError `SerializationException` */
export function parseBody(body: Buffer): Json {
  try {
    return request.parse(JSON.parse(body.toString() || '{}'));
  } catch {
    throw new AwsError('SerializationException', 'The request body is not a JSON object.');
  }
}

/** Puts names where the request gives tables by ARN. */
export function withTableNames(input: Json, place: Place): Json {
  const prefix = tableArn(place, '');
  const nameOf = (table: string): string => (table.startsWith(prefix) ? table.slice(prefix.length) : table);
  const named: Json = { ...input };
  if (typeof input.TableName === 'string') named.TableName = nameOf(input.TableName);
  const items = requestItems.safeParse(input.RequestItems);
  if (items.success)
    named.RequestItems = Object.fromEntries(Object.entries(items.data).map(([table, item]) => [nameOf(table), item]));
  return named;
}

/** The tables of a request, of one or of a batch. */
export function tablesOf(input: Json): string[] {
  if (typeof input.TableName === 'string') return [input.TableName];
  return Object.keys(requestItems.safeParse(input.RequestItems).data ?? {});
}

/** The keys of the items that a request, which was carried out, wrote. */
export function writtenKeys(
  input: Json,
  keyNamesOf: (table: string) => readonly string[],
): { readonly table: string; readonly key: Json }[] {
  const keyOf = (table: string, item: unknown): { table: string; key: Json } => {
    const attributes = request.parse(item);
    return { table, key: Object.fromEntries(keyNamesOf(table).map(name => [name, attributes[name]])) };
  };
  if (typeof input.TableName === 'string') return [keyOf(input.TableName, input.Item ?? input.Key)];
  return Object.entries(requestItems.parse(input.RequestItems)).flatMap(([table, requests]) =>
    writes.parse(requests).map(write => {
      if ('PutRequest' in write) return keyOf(table, (write.PutRequest as { Item: unknown }).Item);
      return keyOf(table, (write.DeleteRequest as { Key: unknown }).Key);
    }),
  );
}
