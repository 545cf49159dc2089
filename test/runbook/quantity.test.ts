import fc from 'fast-check';
import { bytes, count, megabytes, seconds, share } from '../../lib/runbook/quantity.ts';

test.each([
  [seconds, '25 s', 25],
  [seconds, '10 min', 600],
  [seconds, '24 h', 86_400],
  [seconds, '7 d', 604_800],
  [seconds, '0 s', 0],
  [bytes, '1 B', 1],
  [bytes, '128 KB', 131_072],
  [bytes, '128 KiB', 131_072],
  [bytes, '1 MiB', 1_048_576],
  [bytes, '1 MB', 1_048_576],
  [megabytes, '2048 MB', 2_048],
  [count, '10000', 10_000],
  [share, '40 %', 0.4],
  [share, '40%', 0.4],
  [share, '2.5 %', 0.025],
])('%# reads %j … as %d', (quantity, text, value) => {
  expect(quantity.parse(text)).toBe(value);
});

test.each([
  [seconds, ['25', '25 S', 's', '', '25 s 3 s', '1.5 h', '-1 s', '1e3 s', '5 constructor', '5 toString']],
  [bytes, ['128', '128 kb', '1 GiB', '128 s']],
  [megabytes, ['2 GB', '2048 KB', '2048']],
  [count, ['10,000', '10 000', '1e4', '0x10', '10000 s', '', '１０']],
  [share, ['0.4', '40', '%', '.5 %', '-1 %']],
])('%# does not read what is no figure of its kind', (quantity, texts) => {
  expect(texts.filter(text => quantity.parse(text) !== undefined)).toEqual([]);
});

test.each([
  [seconds, 90, '90 s'],
  [seconds, 86_400, '1 d'],
  [seconds, 0, '0 s'],
  [bytes, 131_072, '128 KB'],
  [bytes, 1_048_576, '1 MB'],
  [megabytes, 1_024, '1024 MB'],
  [share, 0.07, '7 %'],
])('%# writes a figure in the largest unit that leaves no fraction', (quantity, value, text) => {
  expect(quantity.format(value)).toBe(text);
});

test.each([[seconds], [bytes], [megabytes], [count]])('%# reads every whole figure as it writes it', quantity => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 40 }), value => {
      expect(quantity.parse(quantity.format(value))).toBe(value);
    }),
  );
});

test('shares come back as they were written, to a thousandth of a percent', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 100_000 }), thousandths => {
      const written = `${thousandths / 1_000} %`;
      expect(share.format(share.parse(written) ?? Number.NaN)).toBe(written);
    }),
  );
});
