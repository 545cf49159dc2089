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
| Drain window | 30 s | team |
| Post timeout | 5 s | team |
| Post parallelism | 50 | team |
| Fan-out concurrency | 5 | team |
| Function memory | 1024 MB | team |
| Request quota share | 20 % | team |
| Response time P0 | 15 min | team |
| Response time P1 | 1 h | team |
| Response time P2 | 4 h | team |
| Response time P3 | 1 d | team |

### Why these

| Anything | Here |
|---|---|
| is | prose |

## Alarms

| Alarm | Signal | Fires when | Severity | Procedure | Remediation | Quiet |
|---|---|---|---|---|---|---|
| HighBacklog | Backlog | > 1000 for 5 min | P2 | [Orders wait](#orders-wait) | scale-delivery(to 4), then throttle-publishers(100 ms); tries 3; cooldown 5 min | Sat–Sun all day UTC |
| BrokenConnections | Disconnects[reason=abnormal] | > 60/min for 3 of 5 min | P1 | [Orders wait](#orders-wait) | none: networks break outside | |

## Orders wait

Look at the queue.

## Recovered when

| Signal | Condition |
|---|---|
| ProbeSuccess | >= 100 % |
| Backlog | < 100 for 5 min |
| Person | Nobody sees an order twice |

## Escalation

| After | Contact | Channel | Condition |
|---|---|---|---|
| 0 min | on-call | PagerDuty, Slack | P1; every 5 min |
| 15 min | team-lead | phone | ConnectionDrop > 10 % |
| 15 min | team-lead | email | |
`;

/** The row of the valid runbook that begins with a cell. */
export function rowOf(cell: string): string {
  const found = valid.split('\n').find(line => line.startsWith(`| ${cell} |`));
  if (found === undefined) throw new Error(`no row ${cell}`);
  return found;
}

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
