import { inRange, rangeOf, settingsCatalogue } from '../../lib/runbook/settings-catalogue.ts';

test('names and fields are each given once', () => {
  expect(new Set(settingsCatalogue.map(({ name }) => name)).size).toBe(settingsCatalogue.length);
  expect(new Set(settingsCatalogue.map(({ field }) => field)).size).toBe(settingsCatalogue.length);
});

test.each(settingsCatalogue)('$name: the ends of its range and its default can be written in a runbook', setting => {
  const figures = [setting.minimum, setting.maximum, setting.default ?? setting.minimum];
  for (const figure of figures) {
    expect(inRange(setting, figure)).toBe(true);
    expect(setting.quantity.parse(setting.quantity.format(figure))).toBe(figure);
  }
  expect(rangeOf(setting)).toContain(setting.reason);
});
