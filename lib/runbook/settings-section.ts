import type { Document } from './document.ts';
import { startOf } from './document.ts';
import { nearestName } from './nearest-name.ts';
import type { Point, Problems } from './problem.ts';
import { findSection, findTable } from './sections.ts';
import type { Settings } from './settings.ts';
import { inRange, rangeOf, settingsCatalogue } from './settings-catalogue.ts';
import { conflicts } from './settings-rules.ts';
import type { Row } from './table.ts';
import { readTable } from './table.ts';

// `Source` is prose for people: whether a figure is the team's own or was chosen for it, and why.
const columns = { required: ['Setting', 'Value'], optional: ['Source'] } as const;

/**
 * Reads `## Settings`; what is wrong in it is reported at its place. The values are complete only if nothing was reported.
 */
export function readSettings(document: Document, problems: Problems): Partial<Settings> {
  const section = findSection(document, 'Settings', problems);
  const table = section && findTable(section, '| Setting | Value |', problems);
  if (!table) return {};

  const reader = new SettingsReader(problems);
  const rows = readTable(table, columns, problems);
  for (const row of rows) reader.read(row);
  // Without the column of the names every setting would be missing.
  if (rows.length === 0 || rows.some(({ cells }) => cells.Setting)) reader.complete(startOf(table));
  return reader.settings;
}

class SettingsReader {
  readonly settings: { -readonly [Field in keyof Settings]?: number } = {};
  readonly #problems: Problems;
  /** Where each setting was named, rightly or almost. */
  readonly #named = new Map<string, Point>();
  readonly #values = new Map<keyof Settings, Point>();

  constructor(problems: Problems) {
    this.#problems = problems;
  }

  read({ cells: { Setting: name, Value: value } }: Row<'Setting' | 'Value' | 'Source'>): void {
    if (!name) return;
    const setting = settingsCatalogue.find(candidate => candidate.name === name.text);
    if (!setting) {
      const names = settingsCatalogue.map(candidate => candidate.name);
      const meant = nearestName(name.text, names);
      const expected = meant === undefined ? `one of ${names.join(', ')}` : 'the name of a setting';
      this.#problems.report(name.at, `unknown setting \`${name.text}\``, expected, meant);
      if (meant !== undefined && !this.#named.has(meant)) this.#named.set(meant, name.at);
      return;
    }
    const first = this.#named.get(setting.name);
    if (first) {
      this.#problems.report(name.at, `a second row \`${setting.name}\``, `one, the first is on line ${first.line}`);
      return;
    }
    this.#named.set(setting.name, name.at);
    if (!value) return;
    const read = `\`${setting.name}\` is \`${value.text}\``;
    const figure = setting.quantity.parse(value.text);
    if (figure === undefined) this.#problems.report(value.at, read, setting.quantity.expects);
    else if (!inRange(setting, figure)) this.#problems.report(value.at, read, rangeOf(setting));
    else {
      this.settings[setting.field] = figure;
      this.#values.set(setting.field, value.at);
    }
  }

  /** Fills in the defaults and checks the settings against one another. */
  complete(table: Point): void {
    for (const setting of settingsCatalogue.filter(({ name }) => !this.#named.has(name))) {
      if (setting.default !== undefined) this.settings[setting.field] = setting.default;
      else {
        const expected = `a row \`| ${setting.name} | … |\` with ${setting.quantity.expects}`;
        this.#problems.report(table, `no setting \`${setting.name}\``, expected);
      }
    }
    for (const { field, read, expected } of conflicts(this.settings)) {
      this.#problems.report(this.#values.get(field) ?? table, read, expected);
    }
  }
}
