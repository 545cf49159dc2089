import { isMap, isScalar, parseDocument as parseYaml } from 'yaml';
import { z } from 'zod';
import type { Document } from './document.ts';
import { nearestName } from './nearest-name.ts';
import type { Point, Problems } from './problem.ts';

/** `YYYY-MM-DD`, and a day that the calendar has. */
const isoDate = z.iso.date({ error: 'an ISO date such as 2026-11-22' });
const line = (expected: string) => z.string({ error: expected }).trim().min(1, { error: expected });

/**
 * Lower case, digits and hyphens. Stack names, and with them the names of all resources, begin with the service's name:
 * CloudFormation wants a letter first, and 32 characters leave room in Lambda's 64 for environment and function.
 */
export const serviceNamePattern = /^[a-z](?:[a-z0-9]|-(?=[a-z0-9])){0,31}$/;

const shape = z.strictObject({
  service: z.string().regex(serviceNamePattern, {
    error: 'at most 32 lower-case letters, digits and single hyphens, beginning with a letter',
  }),
  title: line('the title of the runbook'),
  owner: line('the team that keeps the runbook'),
  updated: isoDate,
  review: isoDate,
});

export type FrontMatter = z.infer<typeof shape>;

const keys = Object.keys(shape.shape);
const asExpected = `front matter between two lines \`---\` with the keys ${keys.join(', ')}`;

/**
 * Reads the front matter; what is wrong in it is reported at its place, and a review that is overdue is warned of.
 * @param today as an ISO date
 */
export function readFrontMatter(
  document: Document,
  service: string,
  today: string,
  problems: Problems,
): FrontMatter | undefined {
  const { matter } = document;
  if (!matter) {
    problems.report({ line: 1, column: 1 }, 'the file begins without front matter', asExpected);
    return undefined;
  }
  const pointAt = (offset: number): Point => document.pointAt(matter.offset + Math.min(offset, matter.text.length));
  const yaml = parseYaml(matter.text, { prettyErrors: false });
  const faults = [...yaml.errors, ...yaml.warnings];
  for (const fault of faults) problems.report(pointAt(fault.pos[0]), `YAML: ${fault.message}`, asExpected);
  if (faults.length > 0) return undefined;
  if (!isMap(yaml.contents)) {
    problems.report(pointAt(0), 'front matter without keys', asExpected);
    return undefined;
  }

  const values: Record<string, unknown> = {};
  const places = new Map<string, Point>();
  for (const { key, value } of yaml.contents.items) {
    const name = isScalar(key) ? String(key.value) : '(not a name)';
    const keyPoint = pointAt(rangeStart(key) ?? 0);
    if (!keys.includes(name)) {
      problems.report(keyPoint, `unknown key \`${name}\``, `one of ${keys.join(', ')}`, nearestName(name, keys));
      places.set(nearestName(name, keys) ?? '', keyPoint);
      continue;
    }
    // An alias is left as it is, unresolved, and so is a list: neither is the text that every key wants.
    values[name] = isScalar(value) ? value.value : value;
    places.set(name, pointAt(rangeStart(value) ?? rangeStart(key) ?? 0));
  }

  const parsed = shape.safeParse(values);
  for (const issue of parsed.error?.issues ?? []) {
    const key = String(issue.path[0]);
    const place = places.get(key);
    if (key in values && place) {
      problems.report(place, `\`${key}\` is ${inWords(values[key])}`, issue.message);
    } else if (!place) {
      problems.report(pointAt(matter.text.length), `front matter without \`${key}\``, `a line \`${key}: …\``);
    }
  }
  const named = values.service;
  if (typeof named === 'string' && serviceNamePattern.test(named) && named !== service) {
    const place = places.get('service') ?? pointAt(0);
    problems.report(place, `\`service\` is \`${named}\``, `\`${service}\`, as the file is named`);
  }
  const review = shape.shape.review.safeParse(values.review).data;
  const place = places.get('review');
  if (review !== undefined && place && review < today) {
    problems.warn(place, `\`review\` was due on ${review}`, 'a review now, and the date of the next one');
  }
  return parsed.data;
}

function rangeStart(node: unknown): number | undefined {
  if (typeof node !== 'object' || node === null || !('range' in node) || !Array.isArray(node.range)) return undefined;
  return Number(node.range[0]);
}

function inWords(value: unknown): string {
  if (value === null || value === '') return 'empty';
  if (typeof value === 'object') return 'a list, map or alias';
  return `\`${String(value)}\``;
}
