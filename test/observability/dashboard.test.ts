import { z } from 'zod';
import { dashboardBody, type Widget } from './dashboard-grammar.ts';
import { readCondition, readRunbookText } from './runbook-text.ts';
import { removeSynthesized, runbooks, services, synthesized } from './synthesized.ts';

jest.setTimeout(60_000);
afterAll(removeSynthesized);

/** Tokens as CloudFormation would fill them in. */
function filled(part: unknown): string {
  if (typeof part === 'string') return part;
  const { Ref, 'Fn::GetAtt': attribute } = part as { Ref?: string; 'Fn::GetAtt'?: [string, string] };
  if (Ref === 'AWS::Region') return 'eu-central-1';
  if (attribute?.[1] === 'Arn') return `arn:aws:cloudwatch:eu-central-1:123456789012:alarm:${attribute[0]}`;
  return 'physical-name';
}

const bodyOf = (body: unknown): string =>
  typeof body === 'string' ? body : (body as { 'Fn::Join': [string, unknown[]] })['Fn::Join'][1].map(filled).join('');

const overlap = (a: Widget, b: Widget): boolean =>
  a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;

describe.each(services)('the dashboard of %s', service => {
  let widgets: readonly Widget[];
  let body: string;
  let alarms: readonly string[];
  beforeAll(async () => {
    const resources = Object.entries((await synthesized(service, 'prod')).observability.Resources);
    const [dashboard, ...others] = resources.filter(([, { Type }]) => Type === 'AWS::CloudWatch::Dashboard');
    expect(others).toEqual([]);
    body = bodyOf(dashboard?.[1].Properties.DashboardBody);
    alarms = resources
      .filter(([, { Properties }]) => /^(?:severity-)?\w[\w-]*-prod-/.test(String(Properties.AlarmName)))
      .filter(([, { Properties }]) => !/^(?:recovery|escalation|platform)-/.test(String(Properties.AlarmName)))
      .map(([id]) => id);
    const read = dashboardBody.safeParse(JSON.parse(body));
    if (!read.success) throw new Error(z.prettifyError(read.error));
    widgets = read.data.widgets;
  });

  it('is one that CloudWatch takes, with widgets beside each other', () => {
    expect(widgets.filter((one, index) => widgets.slice(index + 1).some(other => overlap(one, other)))).toEqual([]);
    const ids = widgets.flatMap(({ type, properties }) =>
      type === 'metric' ? [properties.metrics.flatMap(parts => (parts.at(-1) as { id?: string }).id ?? [])] : [],
    );
    for (const each of ids) expect(new Set(each).size).toBe(each.length);
  });

  it('shows the state of every alarm of the runbook and of its severities', () => {
    const shown = widgets.flatMap(({ type, properties }) => (type === 'alarm' ? properties.alarms : []));
    expect(shown.map(arn => arn.split(':alarm:')[1]).sort()).toEqual([...alarms].sort());
  });

  it('draws every threshold of the runbook, named', () => {
    const drawn = widgets.flatMap(({ type, properties }) =>
      type === 'metric' ? (properties.annotations?.horizontal ?? []).map(({ label }) => label) : [],
    );
    const rows = readRunbookText(service, runbooks).table('Alarms');
    const withThreshold = rows.filter(({ 'Fires when': text = '' }) => readCondition(text).comparison !== 'outside');
    expect(drawn.sort()).toEqual(withThreshold.map(({ Severity, Alarm }) => `${Severity} ${Alarm}`).sort());
  });

  it('links to every procedure', () => {
    const text = widgets.map(({ type, properties }) => (type === 'text' ? properties.markdown : '')).join('\n');
    for (const { Procedure = '' } of readRunbookText(service, runbooks).table('Alarms')) {
      const anchor = /\(#([^)]+)\)/.exec(Procedure)?.[1];
      expect(text).toContain(`/${service}.md#${anchor})`);
    }
  });
});
