import { nearestName } from './nearest-name.ts';
import { type ParameterDefinition, playbookFor, playbookNames } from './playbooks.ts';
import type { Problems } from './problem.ts';
import { seconds } from './quantity.ts';
import type { PlaybookCall, Remediation } from './runbook.ts';
import { Scanner } from './scanner.ts';
import type { Cell } from './table.ts';

/** What holds where a runbook does not say. docs/runbook-language.md tells why. */
export const remediationDefaults = { tries: 2, cooldownSeconds: 900, mode: 'automatic' } as const;

const mostTries = 10;
const longestCooldown = 86_400;
const options = ['tries', 'cooldown', 'after approval', 'automatic'];

/**
 * Reads `scale-delivery(to 5), then throttle-publishers(100 ms); tries 2; cooldown 15 min; after approval` or
 * `none: <reason>`. What is wrong is reported at its place.
 */
export function readRemediation(cell: Cell, problems: Problems): Remediation | undefined {
  const scanner = new Scanner(cell);
  if (scanner.take(/none\b/)) return readNone(scanner, problems);
  const [calls, ...settings] = scanner.split(/;/);
  const playbooks = readCalls(calls ?? scanner, problems);
  const chosen = readOptions(settings, problems);
  return playbooks && chosen && { kind: 'playbooks', playbooks, ...remediationDefaults, ...chosen };
}

function readNone(scanner: Scanner, problems: Problems): Remediation | undefined {
  const at = scanner.at;
  const reason = scanner.take(/:\s*(.+)/)?.[1]?.trim();
  if (reason) return { kind: 'none', reason };
  problems.report(at, '`none` without a reason', '`none: ` and why nothing automatic can cure it');
  return undefined;
}

function readCalls(scanner: Scanner, problems: Problems): PlaybookCall[] | undefined {
  const calls: (PlaybookCall | undefined)[] = [];
  const named = new Set<string>();
  for (const [index, part] of scanner.split(/,/).entries()) {
    if (index > 0 && !part.take(/then\b/)) {
      problems.report(part.at, part.next, '`then` and the next playbook: `first, then second`');
    }
    const at = part.at;
    const call = readCall(part, problems);
    if (call && named.has(call.playbook)) {
      problems.report(
        at,
        `\`${call.playbook}\` a second time`,
        'each playbook once; `tries` says how often it is tried',
      );
    }
    if (call) named.add(call.playbook);
    calls.push(call);
  }
  return calls.every(call => call !== undefined) ? calls : undefined;
}

function readCall(scanner: Scanner, problems: Problems): PlaybookCall | undefined {
  const at = scanner.at;
  const written = scanner.take(/[A-Za-z][\w-]*/)?.[0];
  const playbook = playbookNames.find(name => name === written);
  if (playbook === undefined) {
    const meant = written === undefined ? undefined : nearestName(written, [...playbookNames, 'none']);
    const expected =
      meant === undefined ? `one of ${playbookNames.join(', ')}, or \`none: <reason>\`` : 'the name of a playbook';
    problems.report(at, `unknown playbook ${written === undefined ? scanner.next : `\`${written}\``}`, expected, meant);
    return undefined;
  }
  const { parameter } = playbookFor(playbook);
  const expected = parameter ? usageOf(playbook, parameter) : `\`${playbook}\` without anything after it`;
  const open = scanner.at;
  const inside = scanner.take(/\(([^)"“]*(?:["“][^"”]*["”])?[^)]*)\)/);
  if (!scanner.done) {
    problems.report(scanner.at, scanner.next, `${expected}, then \`, then …\` or \`; …\``);
    return undefined;
  }
  const argument = inside?.[1]?.trim() ?? '';
  if (!parameter) {
    if (!inside) return { playbook, parameters: {} };
    problems.report(open, `\`(${argument})\``, expected);
    return undefined;
  }
  const value = argument === '' ? parameter.default : argumentOf(parameter, argument);
  if (value !== undefined) return { playbook, parameters: { [parameter.name]: value } };
  problems.report(open, inside ? `\`(${argument})\`` : `\`${playbook}\` without its parameter`, expected);
  return undefined;
}

function argumentOf(parameter: ParameterDefinition, argument: string): number | string | undefined {
  if (parameter.kind === 'words') {
    if (parameter.keywords.includes(argument)) return argument;
    const text = /^["“]([^"”]+)["”]$/.exec(argument)?.[1]?.trim();
    return text !== undefined && text !== '' && text.length <= parameter.maximumLength ? text : undefined;
  }
  const { keyword, quantity, minimum, maximum } = parameter;
  const written = keyword === undefined ? argument : new RegExp(`^${keyword}\\s+(.+)$`).exec(argument)?.[1];
  const value = written === undefined ? undefined : quantity.parse(written);
  return value !== undefined && value >= minimum && value <= maximum ? value : undefined;
}

function usageOf(playbook: string, parameter: ParameterDefinition): string {
  if (parameter.kind === 'words') {
    const words = parameter.keywords.map(word => `\`${playbook}(${word})\``).join(', ');
    return `${words} or a text in quotes of at most ${parameter.maximumLength} characters`;
  }
  const { keyword, quantity, minimum, maximum, reason } = parameter;
  const prefix = keyword === undefined ? '' : `${keyword} `;
  return `\`${playbook}(${prefix}…)\` with ${quantity.format(minimum)} to ${quantity.format(maximum)} (${reason})`;
}

type Options = Partial<Pick<Extract<Remediation, { kind: 'playbooks' }>, 'tries' | 'cooldownSeconds' | 'mode'>>;

function readOptions(scanners: readonly Scanner[], problems: Problems): Options | undefined {
  const chosen: { -readonly [Name in keyof Options]: Options[Name] } = {};
  let right = true;
  const once = (name: keyof Options, scanner: Scanner): void => {
    if (name in chosen) problems.report(scanner.at, `a second ${scanner.next}`, 'each of them once');
  };
  for (const scanner of scanners) {
    const at = scanner.at;
    const read = scanner.next;
    const [, tries] = /^tries\s+(\d+)$/.exec(scanner.rest) ?? [];
    const [, cooldown] = /^cooldown\s+(.+)$/.exec(scanner.rest) ?? [];
    const cooldownSeconds = cooldown === undefined ? undefined : seconds.parse(cooldown);
    if (tries !== undefined && Number(tries) >= 1 && Number(tries) <= mostTries) {
      once('tries', scanner);
      chosen.tries = Number(tries);
    } else if (cooldownSeconds !== undefined && cooldownSeconds <= longestCooldown) {
      once('cooldownSeconds', scanner);
      chosen.cooldownSeconds = cooldownSeconds;
    } else if (scanner.rest === 'after approval' || scanner.rest === 'automatic') {
      once('mode', scanner);
      chosen.mode = scanner.rest === 'automatic' ? 'automatic' : 'approval';
    } else {
      const expected = `\`tries N\` from 1 to ${mostTries}, \`cooldown 15 min\` up to ${seconds.format(longestCooldown)}, \`after approval\` or \`automatic\``;
      const word = scanner.rest.replace(/\s*\d.*$/, '');
      problems.report(at, read, expected, options.includes(word) ? undefined : nearestName(word, options));
      right = false;
    }
  }
  return right ? chosen : undefined;
}
