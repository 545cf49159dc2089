import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readCondition, readThreshold } from '../../lib/runbook/condition-reader.ts';
import { type Block, parseDocument, type Table, textOf } from '../../lib/runbook/document.ts';
import { playbookNames } from '../../lib/runbook/playbooks.ts';
import { readQuietHours } from '../../lib/runbook/quiet-hours.ts';
import { readRunbook } from '../../lib/runbook/reader.ts';
import { readRemediation } from '../../lib/runbook/remediation.ts';
import { readSignal } from '../../lib/runbook/signal-reference.ts';
import { signalNames } from '../../lib/runbook/signals.ts';
import { readText } from './cell.ts';
import { playbookRow, signalRow } from './language-tables.ts';
import { valid } from './mistakes.ts';

const text = readFileSync(join(__dirname, '../../docs/runbook-language.md'), 'utf8');
const { blocks } = parseDocument(text);

/** The tables under a heading. */
function tablesUnder(title: string): Table[] {
  const start = blocks.findIndex(block => block.type === 'heading' && textOf(block) === title);
  if (start === -1) throw new Error(`no heading ${title}`);
  const below = blocks.slice(start + 1);
  const end = below.findIndex(block => block.type === 'heading');
  return below.slice(0, end === -1 ? undefined : end).filter((block: Block) => block.type === 'table');
}

/** The cells of a table's rows without the header. */
function rowsUnder(title: string): string[][] {
  const rows = tablesUnder(title)[0]?.children.slice(1) ?? [];
  return rows.map(row => row.children.map(cell => textOf(cell)));
}

/** A table as it is written. */
function linesOf(table: Table | undefined): string[] {
  return text.slice(table?.position?.start.offset, table?.position?.end.offset).split('\n').slice(2);
}

test.each(rowsUnder('Conditions'))('%s %s can be written', (signal, condition) => {
  const { result, problems } = readText(`${signal} ${condition}`, (scanner, found) => {
    const reference = readSignal(scanner, found);
    return reference && readCondition(reference, scanner, { defaultPeriods: 1, alarm: true }, found);
  });
  expect(problems).toEqual([]);
  expect(result).toBeDefined();
});

test.each(rowsUnder('Mistakes'))('%s %s is answered as it says', (signal, condition, answer) => {
  const { problems } = readText(`${signal} ${condition}`, (scanner, found) => {
    const reference = readSignal(scanner, found);
    return reference && readCondition(reference, scanner, { defaultPeriods: 1, alarm: true }, found);
  });
  expect(problems.map(problem => problem.replace(/^\d+: /, '').replaceAll('`', ''))).toEqual([answer]);
});

test.each(rowsUnder('Remediation'))('%s can be written', remediation => {
  const { result, problems } = readText(remediation, (_, found, cell) => readRemediation(cell, found));
  expect(problems).toEqual([]);
  expect(result).toBeDefined();
});

test.each(rowsUnder('Quiet hours'))('%s are hours', quiet => {
  const { result, problems } = readText(quiet, (_, found, cell) => readQuietHours(cell, found));
  expect(problems).toEqual([]);
  expect(result).not.toHaveLength(0);
});

test.each(rowsUnder('Recovered when').filter(([signal]) => signal !== 'Person'))(
  '%s %s is a criterion',
  (signal, condition) => {
    const { problems } = readText(`${signal} ${condition}`, (scanner, found) => {
      const reference = readSignal(scanner, found);
      return reference && readThreshold(reference, scanner, { defaultPeriods: 3, alarm: false }, found);
    });
    expect(problems).toEqual([]);
  },
);

test('the escalation can be written', () => {
  const [table] = tablesUnder('Escalation');
  const written = text
    .slice(table?.position?.start.offset, table?.position?.end.offset)
    .replace('| Means |', '| Source |');
  const runbook = readRunbook('orders.md', `${valid.slice(0, valid.indexOf('| After |'))}${written}\n`);
  expect(runbook.escalation).toHaveLength(linesOf(table).length);
});

test('every signal is told as the catalogue has it', () => {
  expect(linesOf(tablesUnder('Signals')[0])).toEqual(signalNames.map(signalRow));
});

test('every playbook is told as the catalogue has it', () => {
  expect(linesOf(tablesUnder('Remediation')[1])).toEqual(playbookNames.map(playbookRow));
});
