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
import { type DrillOptions, notBegun, promised, runDrill } from './drill.ts';
import { complaints, factorOf, happeningLine, type Report, reportTable } from './report.ts';
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
      'A drill writes no metric, no state of an alarm and no recovery, and nothing in its fault ends before the outcome is known.',
  )
  .requiredOption('--service <name>', 'service, a runbook of the runbooks directory')
  .option('--alarm <names...>', 'alarms of its table')
  .option('--all', 'every alarm of its table')
  .option('--control', 'each once more with the remediation switched off: then it must not recover')
  .option('--json', 'print the results as JSON, and the timeline on standard error')
  .option('--output <file>', 'write the results as JSON there')
  .option('--time-scale <factor>', 'how many times faster the monitoring plane runs at most', number(2, 600), 60)
  .option('--ladder-minutes <minutes>', 'how far an escalation that nobody answers is watched', number(0, 600), 61)
  .option('--at-once <count>', 'drills at the same time', number(1, 16), 1)
  .option('--runbooks <dir>', 'your own runbooks', join(import.meta.dirname, '..', 'runbooks'))
  .parse()
  .opts<Options>();

const print = (line: string) => (options.json ? console.error(line) : console.log(line));

function chosen(alarms: readonly AlarmRow[]): readonly AlarmRow[] {
  if (options.all) {
    const without = alarms.filter(row => notHere(row, options.service) !== undefined);
    for (const row of without) print(`no drill of ${row.name}: ${notHere(row, options.service)}`);
    return alarms.filter(row => !without.includes(row));
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

interface Control {
  /** Longer than the remedied run took to recover. */
  readonly offFor: number;
}

async function drill(row: AlarmRow, assemblies: Assemblies, control?: Control): Promise<Report> {
  const { service, ladderMinutes } = options;
  const scenario = scenarioOf(row, loadRunbook(service, options.runbooks));
  const copy = await assemblies.of(service, scenario.changes ?? []);
  const copied = copy.runbook.alarms.find(({ name }) => name === row.name) ?? row;
  const timeScale = Math.min(options.timeScale, scenario.timeScale ?? Number.POSITIVE_INFINITY);
  const title = `${service} ${row.name}${control ? ' without remediation' : ''}`;
  const head = [`${title}: ${copied.text}; a minute takes ${(60 / timeScale).toFixed(1)} s`];
  print(['', ...head, ...copy.changed.map(change => `  in a copy of the runbook: ${change}`)].join('\n'));
  const drilled: DrillOptions = {
    ...{ row: copied, scenario, copy, timeScale, ladderMinutes, remediation: control ?? 'on' },
    onHappening: happening => print(`${options.atOnce > 1 ? `${title.padEnd(40)} ` : ''}${happeningLine(happening)}`),
  };
  const about = {
    ...{ service, alarm: row.name, fault: scenario.fault, timeScale },
    thresholdFactor: factorOf(row, copied),
    changes: copy.changed,
    remediation: control ? ('off' as const) : ('on' as const),
    expected: control ? ('escalated' as const) : promised(copied),
  };
  try {
    return { ...about, ...(await runDrill(drilled)) };
  } catch (error) {
    return { ...about, ...notBegun, failure: error instanceof Error ? error.message : String(error) };
  }
}

/** A control is watched for longer than recovery took with the remediation, by half and some minutes. */
const controlOf = ({ recoveredMinutes }: Report): Control => ({ offFor: 1.5 * (recoveredMinutes ?? 60) + 10 });

async function main(): Promise<void> {
  const { alarms } = loadRunbook(options.service, options.runbooks);
  const rows = chosen(alarms);
  const assemblies = new Assemblies(options.runbooks);
  const reports: Report[] = [];
  if (options.output !== undefined) await mkdir(dirname(options.output), { recursive: true });
  const made = (report: Report): Report => {
    reports.push(report);
    print(`${report.service} ${report.alarm}: ${report.outcome}; ${complaints(report).join('; ') || 'as promised'}`);
    // After each: a run over all alarms that is cut off has not been for nothing.
    if (options.output !== undefined) writeFileSync(options.output, `${JSON.stringify(reports, null, 2)}\n`);
    return report;
  };
  try {
    await pMap(
      rows,
      async row => {
        const report = made(await drill(row, assemblies));
        // Where people have it anyway there is no remediation to leave out.
        if (options.control && report.expected === 'recovered') made(await drill(row, assemblies, controlOf(report)));
      },
      { concurrency: options.atOnce },
    );
    const order = rows.map(({ name }) => name);
    reports.sort((one, other) => order.indexOf(one.alarm) - order.indexOf(other.alarm));
    if (options.json) console.log(JSON.stringify(reports, null, 2));
    else console.log(`\n${reportTable(reports)}`);
    if (!reports.every(report => complaints(report).length === 0)) process.exitCode = 1;
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
