import { RunbookErrors } from '../../lib/runbook/problem.ts';
import { readRunbook } from '../../lib/runbook/reader.ts';

/** A runbook without mistakes that names every setting. */
export const valid = `---
service: orders
title: Order updates
owner: Operations
updated: 2026-11-22
review: 2027-02-22
---

# Order updates

Prose, with a table of its own:

| Colour | Meaning |
|---|---|
| red | late |

## Settings

Prose before the table.

| Setting | Value | Source |
|---|---|---|
| Maximum connections | 10000 | team |
| Maximum connections per user | 10 | team |
| Maximum connections per address | 500 | team |
| Maximum channels per connection | 100 | team |
| Frames per second per connection | 20 | team |
| Maximum message size | 120 KB | team |
| Heartbeat interval | 25 s | team |
| Heartbeat grace | 25 s | team |
| Message retention | 24 h | team |
| Post timeout | 5 s | team |
| Post parallelism | 50 | team |
| Fan-out concurrency | 5 | team |
| Function memory | 1024 MB | team |
| Request quota share | 20 % | team |

### Why these

| Anything | Here |
|---|---|
| is | prose |

## Alarms

Not read yet.
`;

const mark = '«';

/** `valid` with one passage replaced; `«` marks where the mistake is to be found. */
export function broken(passage: string, replacement: string): string {
  if (valid.split(passage).length !== 2) throw new Error(`not exactly once in the valid runbook: ${passage}`);
  return valid.replace(passage, () => replacement);
}

/** The point that `«` marks, as `line:column`. */
export function marked(text: string): string {
  const before = text.slice(0, text.indexOf(mark)).split('\n');
  return `${before.length}:${(before.at(-1) ?? '').length + 1}`;
}

/** What the reader finds wrong in a text, as `line:column: message`; marks are taken out before. */
export function mistakes(text: string, path = 'orders.md'): string[] {
  try {
    readRunbook(path, text.replaceAll(mark, ''));
    return [];
  } catch (error) {
    if (!(error instanceof RunbookErrors)) throw error;
    return error.problems.map(({ line, column, message }) => `${line}:${column}: ${message}`);
  }
}
