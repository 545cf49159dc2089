import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { definitionsOf } from './draw-remediation/definitions.ts';
import { drawn } from './draw-remediation/document.ts';

/** Draws the state machines in docs/remediation.md anew, from the definitions that are deployed. */
const path = join(import.meta.dirname, '..', 'docs', 'remediation.md');
writeFileSync(path, drawn(readFileSync(path, 'utf8'), await definitionsOf('matchbook', 'prod')));
