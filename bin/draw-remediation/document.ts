import type { DrawnDefinition } from './mermaid.ts';
import { mermaidOf } from './mermaid.ts';

const begin = (name: string): string => `<!-- drawn from the definition: ${name} -->`;
const end = '<!-- end of the drawing -->';

/**
 * The document with each drawing made anew.
 * @throws Error where it has a place for a machine that is not there
 */
export function drawn(document: string, machines: ReadonlyMap<string, DrawnDefinition>): string {
  const places = /<!-- drawn from the definition: (\S+) -->[\s\S]*?<!-- end of the drawing -->/g;
  return document.replaceAll(places, (_, name: string) => {
    const definition = machines.get(name);
    if (!definition)
      throw new Error(`there is no state machine ${name}; expected one of ${[...machines.keys()].join(', ')}`);
    return [begin(name), '', '```mermaid', mermaidOf(definition), '```', '', end].join('\n');
  });
}
