import GithubSlugger from 'github-slugger';
import type { Document, Heading } from './document.ts';
import { startOf, textOf } from './document.ts';
import { nearestName } from './nearest-name.ts';
import type { Problems } from './problem.ts';
import type { Cell } from './table.ts';

/** A heading that a link can lead to. */
export interface Anchor {
  readonly heading: string;
  readonly anchor: string;
}

interface Target extends Anchor {
  readonly line: number;
  readonly empty: boolean;
}

/** The headings of a document, by the anchors that GitHub gives them. */
export class Anchors {
  readonly #targets: readonly Target[];

  constructor(document: Document) {
    const slugger = new GithubSlugger();
    this.#targets = document.blocks.flatMap((block, index) => {
      if (block.type !== 'heading') return [];
      const heading = textOf(block).trim();
      const next = document.blocks[index + 1];
      const empty = !next || (next.type === 'heading' && (next as Heading).depth <= block.depth);
      return [{ heading, anchor: slugger.slug(heading), line: startOf(block).line, empty }];
    });
  }

  /**
   * The heading that a cell links to. Reported: no link or several, one to another file, to no heading, to one of several of the
   * same name, or to one with nothing under it.
   */
  linked(cell: Cell, problems: Problems): Anchor | undefined {
    const [link, ...more] = cell.links;
    const expected = 'one link to a heading of this file, such as `[Clear the backlog](#clear-the-backlog)`';
    if (!link || more.length > 0) {
      problems.report(cell.at, link ? `${more.length + 1} links` : `\`${cell.text}\``, expected);
      return undefined;
    }
    if (!link.url.startsWith('#')) {
      problems.report(link.at, `a link to \`${link.url}\``, expected);
      return undefined;
    }
    const wanted = link.url.slice(1);
    const target = this.#targets.find(({ anchor }) => anchor === wanted || encoded(anchor) === wanted);
    if (!target) {
      const meant = nearestName(
        wanted,
        this.#targets.map(candidate => candidate.anchor),
      );
      const suggestion = meant === undefined ? undefined : `#${meant}`;
      problems.report(link.at, `a link to \`${link.url}\`, a heading that is not there`, expected, suggestion);
      return undefined;
    }
    const namesakes = this.#targets.filter(candidate => candidate.heading === target.heading);
    if (namesakes.length > 1) {
      const lines = namesakes.map(candidate => candidate.line).join(' and ');
      problems.report(
        link.at,
        `a link to \`${target.heading}\`, a heading on lines ${lines}`,
        'a heading that is there once',
      );
      return undefined;
    }
    if (target.empty) {
      problems.report(
        link.at,
        `a link to \`${target.heading}\`, with nothing under it`,
        'a heading under which it says what to do',
      );
      return undefined;
    }
    return { heading: target.heading, anchor: target.anchor };
  }
}

/** As a browser writes it in an address; half of a character is no text that can be encoded. */
function encoded(anchor: string): string {
  return encodeURI(anchor.toWellFormed());
}
