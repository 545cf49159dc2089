import type { Resource } from '../assembly/resource.ts';

/** What faults can be limited to. */
export const targetKinds = ['function', 'table', 'queue'] as const;
export type TargetKind = (typeof targetKinds)[number];

const types: Readonly<Record<TargetKind, readonly string[]>> = {
  function: ['AWS::Lambda::Function'],
  table: ['AWS::DynamoDB::Table', 'AWS::DynamoDB::GlobalTable'],
  queue: ['AWS::SQS::Queue'],
};

/** CDK's logical ids end in a hash; what is before it begins or ends with what the construct is. */
const decoration: Readonly<Record<TargetKind, RegExp>> = {
  function: /Function$/,
  table: /^Tables(?=.)|Table$/,
  queue: /Queue$/,
};

/** `MessagesFanOutFunctionC517A95D` is `messages-fan-out`. */
function shortName(kind: TargetKind, logicalId: string): string {
  const bare = logicalId.replace(/[0-9A-F]{8}$/, '').replace(decoration[kind], '');
  return (bare === '' ? logicalId : bare).replace(/(?<=[a-z0-9])(?=[A-Z])/g, '-').toLowerCase();
}

/** The functions, tables and queues of a template, by the names that people call them. */
export interface Targets {
  /** The names that can be given, sorted. */
  names(kind: TargetKind): readonly string[];
  /**
   * The name by which the local services know it, from its short name or the end of it, its logical id or name; undefined
   * where there is none, or several.
   */
  resolve(kind: TargetKind, name: string): string | undefined;
}

export function createTargets(resources: readonly Resource[]): Targets {
  const found = targetKinds.map(kind => {
    const short = new Map<string, string>();
    const known = new Map<string, string>();
    for (const { type, logicalId, physicalId, attributes } of resources) {
      if (!types[kind].includes(type)) continue;
      const name = attributes.QueueName ?? physicalId;
      const called = shortName(kind, logicalId);
      // A second one of the same short name, of another stack, keeps its logical id.
      short.set(short.has(called) ? logicalId : called, name);
      known.set(logicalId, name).set(name, name);
    }
    return [kind, { short, known }] as const;
  });
  const byKind = new Map(found);
  return {
    names: kind => [...(byKind.get(kind)?.short.keys() ?? [])].sort(),
    resolve(kind, name) {
      const { short = new Map<string, string>(), known } = byKind.get(kind) ?? {};
      const exact = short.get(name) ?? known?.get(name);
      if (exact !== undefined) return exact;
      const [found, ...others] = [...short].filter(([called]) => called.endsWith(`-${name}`));
      return others.length > 0 ? undefined : found?.[1];
    },
  };
}
