import fc from 'fast-check';
import { CaseFileErrors, parseCaseFile } from './case-file.ts';
import { parseSeries, SeriesError } from './series.ts';

describe('a series', () => {
  it.each([
    ['5', [5]],
    ['0x3 -1.5', [0, 0, 0, -1.5]],
    ['_ 1 _x2', [undefined, 1, undefined, undefined]],
    ['0+10x4', [0, 10, 20, 30]],
    ['0.3-0.1x4', [0.3, 0.2, 0.1, 0]],
    ['(1 _)x2 3', [1, undefined, 1, undefined, 3]],
    ['((1 2)x2 3)x2', [1, 2, 1, 2, 3, 1, 2, 1, 2, 3]],
    [' 1  2 ', [1, 2]],
  ])('%j is %j', (text, values) => {
    expect(parseSeries(text)).toEqual(values);
  });

  it.each([
    ['', 1],
    ['1 x5', 3],
    ['1 5y3', 3],
    ['1+2', 1],
    ['1 (2 3', 7],
    ['(1 2)', 5],
    ['1)', 2],
    ['1 2 1e3', 5],
  ])('%j is a mistake at column %i', (text, column) => {
    expect(() => parseSeries(text)).toThrow(expect.objectContaining({ name: 'SeriesError', column }));
  });

  it('is read or refused, whatever is written', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'0159_x.+-() '), maxLength: 12 }), text => {
        try {
          expect(parseSeries(text)).toBeInstanceOf(Array);
        } catch (error) {
          expect(error).toBeInstanceOf(SeriesError);
        }
      }),
    );
  });

  it('gives back values that are written one by one', () => {
    const value = fc.option(fc.integer({ min: -1_000, max: 1_000 }), { nil: undefined });
    fc.assert(
      fc.property(fc.array(value, { minLength: 1 }), values => {
        expect(parseSeries(values.map(each => each ?? '_').join(' '))).toEqual(values);
      }),
    );
  });
});

const good = `service: archon
environment: prod
cases:
  - name: a backlog
    series: { Backlog: '0x5 1001x2' }
    expect:
      - { at: 7, alarm: WebsocketQueueDepth, state: ALARM }
`;

describe('a file', () => {
  it('is read', () => {
    expect(parseCaseFile(good, 'a.test.yaml').cases[0]).toEqual({
      name: 'a backlog',
      series: { Backlog: [0, 0, 0, 0, 0, 1001, 1001] },
      expect: [{ at: 7, alarm: 'WebsocketQueueDepth', state: 'ALARM' }],
    });
  });

  it.each([
    ['0x5 1001x2', '0x5 1001y2', /^a\.test\.yaml:5:29: Backlog: `1001y2`; expected a value/],
    ['state: ALARM', 'state: ALRM', /^a\.test\.yaml:7:53: state: expected OK, ALARM or INSUFFICIENT_DATA$/],
    ['at: 7', 'at: 0', /^a\.test\.yaml:7:15: at: expected a minute from 1$/],
    ['service: archon', 'servce: archon', /^a\.test\.yaml:1:1: (?:.|\n)*a\.test\.yaml:1:1: unknown `servce`$/],
    ["'0x5 1001x2'", '5', /^a\.test\.yaml:5:24: Backlog: expected a text in quotes$/],
    ["'0x5 1001x2' }", "'0x5 1001x2'", /^a\.test\.yaml:\d+:\d+: /],
  ])('with %j as %j tells where', (text, wrong, message) => {
    expect(() => parseCaseFile(good.replace(text, wrong), 'a.test.yaml')).toThrow(CaseFileErrors);
    expect(() => parseCaseFile(good.replace(text, wrong), 'a.test.yaml')).toThrow(message);
  });

  it('tells all mistakes at once, in order', () => {
    const wrong = good.replace('1001x2', '1001y2').replace('ALARM }', 'ALRM }');
    expect(() => parseCaseFile(wrong, 'a.test.yaml')).toThrow(/:5:29: .*\n.*:7:53: /);
  });
});
