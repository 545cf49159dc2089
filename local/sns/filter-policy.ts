import { z } from 'zod';

/** An attribute of a published message. */
export interface TopicMessageAttribute {
  readonly Type: string;
  readonly Value: string;
}

export type TopicMessageAttributes = Readonly<Record<string, TopicMessageAttribute>>;

/** Exact string matches on message attributes: any of a key's values, and every key. */
export const filterPolicy = z.record(z.string(), z.array(z.string('only exact string matches are run')).min(1));

export type FilterPolicy = z.infer<typeof filterPolicy>;

/** "Amazon SNS subscription filter policies": an attribute of type String.Array matches by any of its strings. */
export function matches(policy: FilterPolicy, attributes: TopicMessageAttributes): boolean {
  return Object.entries(policy).every(([name, wanted]) => {
    const attribute = attributes[name];
    return attribute !== undefined && valuesOf(attribute).some(value => wanted.includes(value));
  });
}

function valuesOf({ Type, Value }: TopicMessageAttribute): string[] {
  if (Type === 'String') return [Value];
  if (Type !== 'String.Array') return [];
  try {
    return z
      .array(z.unknown())
      .parse(JSON.parse(Value))
      .filter(value => typeof value === 'string');
  } catch {
    // SNS does not deliver where the attribute cannot be read.
    return [];
  }
}
