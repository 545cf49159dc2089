import { writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Command } from 'commander';
import pMap from 'p-map';
import { z } from 'zod';
import { nearestName } from '../lib/runbook/nearest-name.ts';
import { loadRunbook } from '../lib/runbook/reader.ts';
import type { AlarmRow } from '../lib/runbook/runbook.ts';
import { Assemblies } from './assembly.ts';
import { type DrillOptions, promised, runDrill } from './drill.ts';
import { changesInWords, factorOf, happeningLine, isAsExpected, type Report, reportTable } from './report.ts';
import { notHere, scenarioOf } from './scenarios/scenarios.ts';

const number = (minimum: number, maximum: number) => (text: string) =>
  z.coerce.number().min(minimum).max(maximum).parse(text);

interface Options {
  readonly service: string;
  readonly alarm?: readonly string[];
  readonly all?: true;
  readonly control?: true;
  readonly json?: true;
  readonly timeScale: number;
  readonly ladderMinutes: number;
  readonly atOnce: number;
  readonly runbooks: string;
  readonly output?: string;
}

const options = new Command('npm run drill --')
  .description(
    'Brings alarms of a runbook about, each in an environment of its own with real clients, and shows what the platform does.\n' +
      'A drill writes no metric, no state of an alarm and no recovery, and its fault ends only by what a playbook does.',
  )
  .requiredOption('--service <name>', 'service, a runbook of the runbooks directory')
  .option('--alarm <names...>', 'alarms of its table')
  .option('--all', 'every alarm of its table')
  .option('--control', 'each once more with the remediation switched off: then it must not recover')
  .option('--json', 'print the results as JSON, and the timeline on standard error')
  .option('--output <file>', 'write the results as JSON there')
  .option('--time-scale <factor>', 'how many times faster the monitoring plane runs at most', number(1, 600), 60)
  .option('--ladder-minutes <minutes>', 'how far an escalation that nobody answers is watched', number(0, 600), 61)
  .option('--at-once <count>', 'drills at the same time', number(1, 16), 1)
  .option('--runbooks <dir>', 'your own runbooks', join(import.meta.dirname, '..', 'runbooks'))
  .parse()
  .opts<Options>();

const print = (line: string) => (options.json ? console.error(line) : console.log(line));

function chosen(alarms: readonly AlarmRow[]): readonly AlarmRow[] {
  if (options.all) {
    for (const { name, condition } of alarms)
      if (notHere[condition.signal] !== undefined) print(`no drill of ${name}: ${notHere[condition.signal]}`);
    return alarms.filter(({ condition }) => notHere[condition.signal] === undefined);
  }
  if (!options.alarm) throw new Error('give --alarm NAME or --all');
  return options.alarm.map(name => {
    const found = alarms.find(row => row.name === name);
    if (found) return found;
    const names = alarms.map(row => row.name);
    const near = nearestName(name, names);
    throw new Error(
      `${options.service} has no alarm ${name}; expected one of ${names.join(', ')}${near ? ` (did you mean ${near}?)` : ''}`,
    );
  });
}

async function drill(row: AlarmRow, assemblies: Assemblies, remediation: boolean): Promise<Report> {
  const { service, ladderMinutes } = options;
  const scenario = scenarioOf(row, loadRunbook(service, options.runbooks));
  const changes = scenario.changes ?? [];
  const copy = await assemblies.of(service, changes);
  const copied = copy.runbook.alarms.find(({ name }) => name === row.name) ?? row;
  const timeScale = Math.min(options.timeScale, scenario.timeScale ?? Number.POSITIVE_INFINITY);
  const title = `${service} ${row.name}${remediation ? '' : ' without remediation'}`;
  print(`\n${title}: ${copied.text}; a minute takes ${(60 / timeScale).toFixed(1)} s`);
  for (const change of changesInWords(changes)) print(`  in a copy of the runbook: ${change}`);
  const drilled: DrillOptions = {
    ...{ row: copied, scenario, copy, timeScale, remediation, ladderMinutes },
    onHappening: happening => print(`${options.atOnce > 1 ? `${title.padEnd(40)} ` : ''}${happeningLine(happening)}`),
  };
  const report: Report = {
    ...{ service, alarm: row.name, fault: scenario.fault },
    thresholdFactor: factorOf(row.name, changes),
    changes: changesInWords(changes),
    timeScale,
    remediation: remediation ? 'on' : 'off',
    expected: remediation ? promised(copied) : 'escalated',
    ...(await runDrill(drilled)),
  };
  print(`${title}: ${report.outcome}${isAsExpected(report) ? '' : ', NOT as expected'}`);
  return report;
}

async function main(): Promise<void> {
  const { alarms } = loadRunbook(options.service, options.runbooks);
  const rows = chosen(alarms);
  const assemblies = new Assemblies(options.runbooks);
  try {
    const runs = rows.flatMap(row => [
      { row, remediation: true },
      ...(options.control ? [{ row, remediation: false }] : []),
    ]);
    if (options.output !== undefined) await mkdir(dirname(options.output), { recursive: true });
    const made: Report[] = [];
    const run = async ({ row, remediation }: (typeof runs)[number]): Promise<Report> => {
      const report = await drill(row, assemblies, remediation);
      made.push(report);
      // After each: a run over all alarms that is cut off has not been for nothing.
      if (options.output !== undefined) writeFileSync(options.output, `${JSON.stringify(made, null, 2)}\n`);
      return report;
    };
    const reports = await pMap(runs, run, { concurrency: options.atOnce });
    if (options.json) console.log(JSON.stringify(reports, null, 2));
    else console.log(`\n${reportTable(reports)}`);
    if (!reports.every(isAsExpected)) process.exitCode = 1;
  } finally {
    await assemblies.remove();
  }
}

try {
  await main();
} catch (error) {
  console.error(`drill: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  process.exitCode = 1;
}
// Sockets of clients that were closed may linger.
process.exit();
