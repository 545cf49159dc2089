import validate from 'asl-validator';
import { Template } from 'aws-cdk-lib/assertions';
import { playbookNames } from '../../../lib/runbook/playbooks.ts';
import { playbookStacks, service } from './local-playbooks.ts';

jest.setTimeout(60_000);

let template: Template;
beforeAll(async () => {
  template = Template.fromStack((await playbookStacks()).stack);
});

/** A definition with its references in place of ARNs. */
const definitionOf = ({ DefinitionString }: Record<string, unknown>): Record<string, unknown> => {
  const text = (value: unknown): string =>
    typeof value === 'string' ? value : 'arn:aws:lambda:eu-west-1:123456789012:x';
  const [separator, parts] = (DefinitionString as { 'Fn::Join': [string, unknown[]] })['Fn::Join'] ?? [
    '',
    [DefinitionString],
  ];
  return JSON.parse(
    parts
      .map(part =>
        typeof part === 'string' ? part : (part as { Ref?: string }).Ref === 'AWS::Partition' ? 'aws' : text(part),
      )
      .join(separator),
  );
};

const machines = () => Object.values(template.findResources('AWS::StepFunctions::StateMachine'));

test('there is a standard state machine for each playbook, by name', () => {
  expect(
    machines()
      .map(({ Properties }) => Properties.StateMachineName)
      .sort(),
  ).toEqual(playbookNames.map(name => `${service}-dev-${name}`).sort());
  for (const { Properties } of machines()) expect(Properties.StateMachineType ?? 'STANDARD').toBe('STANDARD');
});

test.each(playbookNames)('the definition of %s is valid', name => {
  const machine = machines().find(({ Properties }) => Properties.StateMachineName === `${service}-dev-${name}`);
  const { isValid, errorsText } = validate(definitionOf(machine?.Properties) as never, {
    checkPaths: true,
    checkArn: true,
  });
  expect([isValid, errorsText('; ')]).toEqual([true, errorsText('; ')]);
});

test('no role may do more than it is made for', () => {
  const allowed: Record<string, string[]> = {};
  for (const { Properties } of Object.values(template.findResources('AWS::IAM::Policy'))) {
    const [role] = Properties.Roles as { Ref: string }[];
    for (const { Action, Resource } of Properties.PolicyDocument.Statement) {
      const actions = [Action].flat() as string[];
      for (const action of actions) expect(action).not.toContain('*');
      // The one action that knows no resource.
      if (!actions.includes('cloudwatch:GetMetricData')) expect([Resource].flat()).not.toContain('*');
      const name = /^Playbooks(.*?)(?:MachineRole|FunctionRole)/.exec(role?.Ref ?? '')?.[1] ?? '';
      allowed[name] = [...new Set([...(allowed[name] ?? []), ...actions])].sort();
    }
  }
  const record = ['dynamodb:GetItem', 'dynamodb:UpdateItem'];
  const invoke = 'lambda:InvokeFunction';
  const states = Object.fromEntries(playbookNames.map(name => [name, allowed[name.replaceAll('-', '')]]));
  expect(states).toEqual({
    'scale-delivery': record,
    'throttle-publishers': record,
    'evict-stale-connections': [invoke],
    'flush-backlog': [...record, invoke],
    'restart-functions': record,
    'rollback-release': [invoke, 'lambda:UpdateAlias'],
    drain: [...record, invoke],
    'notify-clients': [invoke],
    'degrade-presence': record,
    diagnose: [invoke],
  });
});
