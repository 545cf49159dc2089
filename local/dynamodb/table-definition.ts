import { z } from 'zod';
import type { Place, Resource } from '../assembly/resource.ts';
import { propertyError, readProperties } from '../assembly/resource-properties.ts';

const keySchema = z
  .array(z.strictObject({ AttributeName: z.string(), KeyType: z.enum(['HASH', 'RANGE']) }))
  .min(1)
  .max(2);
const attributeDefinitions = z.array(
  z.strictObject({ AttributeName: z.string(), AttributeType: z.enum(['S', 'N', 'B']) }),
);
const index = z.strictObject({
  IndexName: z.string(),
  KeySchema: keySchema,
  Projection: z.strictObject({
    ProjectionType: z.enum(['ALL', 'KEYS_ONLY', 'INCLUDE']),
    NonKeyAttributes: z.array(z.string()).optional(),
  }),
});
const timeToLive = z.strictObject({
  AttributeName: z.string().optional(),
  Enabled: z.union([z.boolean(), z.enum(['true', 'false']).transform(text => text === 'true')]),
});

/** Backups, encryption, storage class, tags, insights: nothing on this machine could show a difference. */
const withoutLocalEffect = {
  ContributorInsightsSpecification: z.unknown().optional(),
  DeletionProtectionEnabled: z.unknown().optional(),
  PointInTimeRecoverySpecification: z.unknown().optional(),
  SSESpecification: z.unknown().optional(),
  TableClass: z.unknown().optional(),
  Tags: z.unknown().optional(),
};

const declaration = {
  TableName: z.string().optional(),
  KeySchema: keySchema,
  AttributeDefinitions: attributeDefinitions,
  // Provisioned capacity would have to throttle, which is not run.
  BillingMode: z.literal('PAY_PER_REQUEST', 'only PAY_PER_REQUEST is run'),
  GlobalSecondaryIndexes: z.array(index).optional(),
  LocalSecondaryIndexes: z.array(index).optional(),
  TimeToLiveSpecification: timeToLive.optional(),
};
const tableProperties = z.strictObject({ ...declaration, ...withoutLocalEffect });
const globalTableProperties = z.strictObject({
  ...declaration,
  SSESpecification: z.unknown().optional(),
  Replicas: z
    .array(
      z.strictObject({
        Region: z.string(),
        GlobalSecondaryIndexes: z
          .array(z.strictObject({ IndexName: z.string(), ContributorInsightsSpecification: z.unknown().optional() }))
          .optional(),
        ...withoutLocalEffect,
      }),
    )
    .length(1, 'exactly one replica is run'),
});

export interface TableDefinition {
  readonly resource: Resource;
  readonly name: string;
  readonly arn: string;
  /** Partition key, and sort key if there is one. */
  readonly keyNames: readonly string[];
  readonly globalIndexes: ReadonlySet<string>;
  readonly ttlAttribute: string | undefined;
  /** Input of CreateTable. */
  readonly schema: Readonly<Record<string, unknown>>;
}

const isTable = ({ type }: Resource): boolean =>
  type === 'AWS::DynamoDB::Table' || type === 'AWS::DynamoDB::GlobalTable';

/**
 * The tables of a template.
 * @throws TemplateError that names stack, logical id and the property that is wrong or cannot be run.
 */
export function readTables(resources: readonly Resource[], place: Place): TableDefinition[] {
  return resources.filter(isTable).map(resource => readTable(resource, place));
}

function readTable(resource: Resource, place: Place): TableDefinition {
  const properties =
    resource.type === 'AWS::DynamoDB::GlobalTable'
      ? readGlobalTable(resource, place)
      : readProperties(resource, tableProperties);
  const { KeySchema, AttributeDefinitions, BillingMode, GlobalSecondaryIndexes, LocalSecondaryIndexes } = properties;
  const ttl = properties.TimeToLiveSpecification;
  const schemas = [properties, ...(GlobalSecondaryIndexes ?? []), ...(LocalSecondaryIndexes ?? [])];
  const keys = new Set(schemas.flatMap(schema => schema.KeySchema.map(({ AttributeName }) => AttributeName)));
  const unused = AttributeDefinitions.find(({ AttributeName }) => !keys.has(AttributeName));
  if (unused)
    throw propertyError(resource, 'AttributeDefinitions', `${unused.AttributeName} is in no key: DynamoDB refuses it`);
  return {
    resource,
    name: resource.physicalId,
    arn: resource.attributes.Arn ?? '',
    keyNames: KeySchema.map(({ AttributeName }) => AttributeName),
    globalIndexes: new Set(GlobalSecondaryIndexes?.map(({ IndexName }) => IndexName)),
    ttlAttribute: ttl?.Enabled ? ttl.AttributeName : undefined,
    schema: {
      TableName: resource.physicalId,
      KeySchema,
      AttributeDefinitions,
      BillingMode,
      ...(GlobalSecondaryIndexes?.length ? { GlobalSecondaryIndexes } : {}),
      ...(LocalSecondaryIndexes?.length ? { LocalSecondaryIndexes } : {}),
    },
  };
}

function readGlobalTable(resource: Resource, place: Place) {
  const properties = readProperties(resource, globalTableProperties);
  const region = properties.Replicas[0]?.Region;
  if (region !== place.region)
    throw propertyError(resource, 'Replicas', `the replica is in ${region}, the local environment in ${place.region}`);
  return properties;
}

const storedIndex = z.looseObject({ IndexName: z.string(), KeySchema: z.unknown(), Projection: z.unknown() });
const storedTable = z.looseObject({
  KeySchema: z.unknown(),
  AttributeDefinitions: z.array(z.looseObject({ AttributeName: z.string() })),
  GlobalSecondaryIndexes: z.array(storedIndex).default([]),
  LocalSecondaryIndexes: z.array(storedIndex).default([]),
});

/** What of a description or declaration decides where items lie, in an order that can be compared. */
function layout(table: unknown): Record<string, string> {
  const { KeySchema, AttributeDefinitions, GlobalSecondaryIndexes, LocalSecondaryIndexes } = storedTable.parse(table);
  const text = (indexes: z.infer<typeof storedIndex>[]) =>
    indexes
      .map(({ IndexName, KeySchema, Projection }) => JSON.stringify([IndexName, KeySchema, Projection]))
      .sort()
      .join();
  return {
    KeySchema: JSON.stringify(KeySchema),
    AttributeDefinitions: AttributeDefinitions.map(definition => JSON.stringify(definition))
      .sort()
      .join(),
    GlobalSecondaryIndexes: text(GlobalSecondaryIndexes),
    LocalSecondaryIndexes: text(LocalSecondaryIndexes),
  };
}

/** @throws TemplateError if the table that the state directory holds is laid out otherwise than the template declares. */
export function checkLayout(definition: TableDefinition, description: unknown): void {
  const declared = layout(definition.schema);
  const stored = layout(description);
  for (const property of Object.keys(declared))
    if (declared[property] !== stored[property])
      throw propertyError(
        definition.resource,
        property,
        'differs from that of the table in the state directory; start with --fresh to drop the state',
      );
}
