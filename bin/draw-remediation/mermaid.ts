/** What of a definition in the Amazon States Language is drawn. */
export interface DrawnDefinition {
  readonly StartAt: string;
  readonly States: Readonly<Record<string, DrawnState>>;
}

interface DrawnState {
  readonly Type: string;
  readonly Next?: string;
  readonly Default?: string;
  readonly Choices?: readonly { readonly Next: string }[];
  readonly Catch?: readonly { readonly Next: string }[];
}

const shapes: Readonly<Record<string, readonly [string, string]>> = {
  Choice: ['{', '}'],
  Wait: ['([', '])'],
  Succeed: ['((', '))'],
  Fail: ['((', '))'],
};

/** States that differ by the alarm only are one in the picture. */
const drawnAs = (name: string): string => name.replace(/^Plan of .*/, 'Plan of the alarm');

/** A definition as a Mermaid flowchart; ways that are taken where a state fails are dotted. */
export function mermaidOf({ StartAt, States }: DrawnDefinition): string {
  const ids = new Map<string, string>();
  const id = (name: string): string => {
    const drawn = drawnAs(name);
    const known = ids.get(drawn) ?? `s${ids.size}`;
    ids.set(drawn, known);
    return known;
  };
  const start = id(StartAt);
  const edges = new Set<string>();
  const nodes = new Map<string, string>();
  for (const [name, { Type, Next, Default, Choices = [], Catch = [] }] of Object.entries(States)) {
    const [open, close] = shapes[Type] ?? ['[', ']'];
    nodes.set(id(name), `${id(name)}${open}"${drawnAs(name)}"${close}`);
    const next = [Next, ...Choices.map(choice => choice.Next), Default].filter(each => each !== undefined);
    for (const each of next) edges.add(`${id(name)} --> ${id(each)}`);
    const failed = Catch.map(each => each.Next).filter(each => !next.includes(each));
    for (const each of failed) edges.add(`${id(name)} -.-> ${id(each)}`);
  }
  return ['flowchart TD', `  start(( )) --> ${start}`, ...[...nodes.values(), ...edges].map(line => `  ${line}`)].join(
    '\n',
  );
}
