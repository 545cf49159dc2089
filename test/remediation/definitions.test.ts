import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import validate from 'asl-validator';
import { definitionsOf } from '../../bin/draw-remediation/definitions.ts';
import { drawn } from '../../bin/draw-remediation/document.ts';
import type { DrawnDefinition } from '../../bin/draw-remediation/mermaid.ts';
import { loadRunbook } from '../../lib/runbook/reader.ts';

jest.setTimeout(120_000);

const root = join(import.meta.dirname, '..', '..');

type Definition = DrawnDefinition & {
  readonly States: Readonly<
    Record<string, { readonly Seconds?: number; readonly Parameters?: { readonly Input?: object } }>
  >;
};

/** Who is told at which minute where the incident stays open, and nobody acknowledges it. */
function ladder({ StartAt, States }: Definition): { minute: number; contact: string }[] {
  const told: { minute: number; contact: string }[] = [];
  let minute = 0;
  for (let name: string | undefined = StartAt; name !== undefined; ) {
    const state: Definition['States'][string] | undefined = States[name];
    minute += (state?.Seconds ?? 0) / 60;
    const [, contact] = /^(?:Tell|Begin) .*: ([\w-]+) \(\d+\)$/.exec(name) ?? [];
    if (contact !== undefined) told.push({ minute, contact });
    name = state?.Default ?? state?.Next;
  }
  return told;
}

describe.each(['archon', 'chat-backend', 'dojopool', 'matchbook', 'vitalstream'])('%s', service => {
  const machines = definitionsOf(service, 'prod');
  const runbook = loadRunbook(service, join(root, 'runbooks'), () => {});

  it('has valid definitions', async () => {
    for (const [name, definition] of await machines) {
      const { isValid, errorsText } = validate(definition, { checkPaths: true, checkArn: true });
      expect(`${name}: ${isValid ? 'valid' : errorsText('\n')}`).toBe(`${name}: valid`);
    }
  });

  it('has a plan for every alarm of the runbook', async () => {
    const responder = (await machines).get(`${service}-prod-responder`);
    const plans = Object.keys(responder?.States ?? {}).filter(name => name.startsWith('Plan of '));
    expect(plans.sort()).toEqual(runbook.alarms.map(({ name }) => `Plan of ${service}-prod-${name}`).sort());
  });

  it('tells everybody of the escalation table at the minute that it names', async () => {
    const escalation = (await machines).get(`${service}-prod-escalation`) as Definition;
    // Who is told at once is told by the responder’s page, and again and again from here.
    const later = runbook.escalation.filter(
      ({ afterSeconds, condition, everySeconds }) => afterSeconds > 0 || condition || everySeconds !== undefined,
    );
    expect(ladder(escalation)).toEqual(
      later.map(({ afterSeconds, contact }) => ({ minute: afterSeconds / 60, contact })),
    );
  });
});

test('docs/remediation.md shows the definitions as they are', async () => {
  const document = readFileSync(join(root, 'docs', 'remediation.md'), 'utf8');
  // If not: node bin/draw-remediation.ts
  expect(document).toBe(drawn(document, await definitionsOf('matchbook', 'prod')));
});
