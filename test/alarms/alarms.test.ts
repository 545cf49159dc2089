import { removeSynthesized, services } from '../observability/synthesized.ts';
import { filesAbout, readCaseFiles } from './case-file.ts';
import { runCase } from './runner.ts';
import { alarmTemplate } from './templates.ts';

jest.setTimeout(60_000);
afterAll(removeSynthesized);

const files = readCaseFiles(import.meta.dirname);

describe.each(services)('%s', service => {
  describe.each(filesAbout(service, files))('$name', ({ environment, cases }) => {
    it.each(cases)('$name', async each => {
      const template = await alarmTemplate(service, environment);
      const wrong = [...runCase(template, each)].filter(({ state, actual }) => state !== actual);
      const told = wrong.map(
        ({ at, alarm, state, actual, reason }) => `minute ${at}: ${alarm} is ${actual}, not ${state}: ${reason}`,
      );
      expect(told).toEqual([]);
    });
  });
});

it('is about services that there are', () => {
  const known = [...services, 'every'];
  expect(files.filter(({ service }) => !known.includes(service)).map(({ name }) => name)).toEqual([]);
});
