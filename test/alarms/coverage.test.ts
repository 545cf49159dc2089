import type { Resource } from '../../local/assembly/resource.ts';
import type { MetricDataQuery } from '../../local/cloudwatch/metric-queries.ts';
import { removeSynthesized, services } from '../observability/synthesized.ts';
import { type AlarmCase, filesAbout, readCaseFiles } from './case-file.ts';
import { mutationsOf } from './mutations.ts';
import { type AlarmTemplate, runCase, usedMetrics, writtenMetric } from './runner.ts';
import { alarmTemplate } from './templates.ts';

jest.setTimeout(60_000);
afterAll(removeSynthesized);

const files = readCaseFiles(import.meta.dirname);
const isComposite = ({ properties }: Resource): boolean => properties.AlarmRule !== undefined;

describe.each(services)('every alarm of %s', service => {
  const cases = filesAbout(service, files)
    .filter(({ environment }) => environment === 'prod')
    .flatMap(file => file.cases);

  let template: AlarmTemplate;
  beforeAll(async () => {
    template = await alarmTemplate(service, 'prod');
  });
  const without = (isCovered: (name: string, alarm: Resource) => boolean): string[] =>
    [...template.alarms].filter(([name, alarm]) => !isCovered(name, alarm)).map(([name]) => name);

  it('has a case in which it is OK, then fires, then clears', () => {
    expect(without(name => cases.some(each => firesAndClears(each, name)))).toEqual([]);
  });

  it('has a case in which all that it looks at is missing', () => {
    const isCovered = (name: string, alarm: Resource) =>
      isComposite(alarm) || cases.some(each => isWithoutData(each, name, alarm));
    expect(without(isCovered)).toEqual([]);
  });

  // A case `fires` at a figure and one `does not fire` just below it, if and only if a change of the figure fails one of them.
  it('has a case that fails when one of its figures is another', () => {
    const unnoticed = [...template.alarms]
      .filter(([, alarm]) => !isComposite(alarm))
      .flatMap(([name, alarm]) => {
        const own = cases.flatMap(each => {
          const expect = each.expect.filter(state => state.alarm === name);
          return expect.length > 0 ? [{ ...each, expect }] : [];
        });
        const isNoticed = (mutant: Resource) => own.some(each => fails(template, each, new Map([[name, mutant]])));
        return mutationsOf(alarm, canMiss(alarm))
          .filter(mutation => !isNoticed(mutation.alarm))
          .map(({ what }) => `${name}: ${what}`);
      });
    expect(unnoticed).toEqual([]);
  });
});

function firesAndClears({ expect: expected }: AlarmCase, alarm: string): boolean {
  const states = expected.filter(each => each.alarm === alarm).map(({ state }) => state);
  return (
    states.indexOf('OK') < states.indexOf('ALARM') &&
    states.lastIndexOf('OK') > states.indexOf('ALARM') &&
    states[0] === 'OK'
  );
}

/** Is a state expected at a minute at which the whole evaluation range, N + 2 periods, is without data? */
function isWithoutData({ series, expect: states }: AlarmCase, name: string, alarm: Resource): boolean {
  const names = usedMetrics([alarm]).map(metric => writtenMetric(metric).toLowerCase());
  const values = Object.entries(series).filter(([metric]) => names.includes(metric.toLowerCase()));
  const minutes = ((Number(alarm.properties.EvaluationPeriods) + 2) * periodOf(alarm)) / 60;
  return states.some(
    ({ alarm: about, at }) =>
      about === name &&
      at >= minutes &&
      values.every(([, list]) => list.slice(at - minutes, at).every(value => value === undefined)),
  );
}

function periodOf({ properties: { Period, Metrics = [] } }: Resource): number {
  const periods = (Metrics as readonly MetricDataQuery[]).flatMap(({ MetricStat }) => MetricStat?.Period ?? []);
  return Number(Period ?? periods[0]);
}

/**
 * Can it matter what missing data is taken for? Not where gaps are filled, and not on metrics of DynamoDB, on which it is
 * ignored always ("Configuring how CloudWatch alarms treat missing data").
 */
function canMiss(alarm: Resource): boolean {
  const queries = (alarm.properties.Metrics ?? []) as readonly MetricDataQuery[];
  const ofMetrics = queries.filter(({ MetricStat }) => MetricStat);
  const isFilled =
    ofMetrics.length > 0 &&
    ofMetrics.every(({ Id }) => queries.some(({ Expression }) => Expression?.includes(`FILL(${Id}, 0)`)));
  return !isFilled && usedMetrics([alarm]).every(({ namespace }) => namespace !== 'AWS/DynamoDB');
}

/** Ends at the first expectation that is not met. */
function fails(...[template, each, changed]: Parameters<typeof runCase>): boolean {
  for (const { state, actual } of runCase(template, each, changed)) if (state !== actual) return true;
  return false;
}
