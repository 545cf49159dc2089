import { join } from 'node:path';
import { App, type Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import cdkJson from '../../cdk.json' with { type: 'json' };
import { serviceApp } from '../../lib/service-app.ts';
import type { DrawnDefinition } from './mermaid.ts';

const root = join(import.meta.dirname, '..', '..');

/** What stands in a template for a value that only CloudFormation knows. */
function text(value: unknown): string {
  if (typeof value === 'string') return value;
  const [[name, argument] = ['', '']] = Object.entries(value as object);
  if (name === 'Fn::Join') return (argument as [string, unknown[]])[1].map(text).join('');
  if (name === 'Ref' && argument === 'AWS::Partition') return 'aws';
  // The names of topics and functions end their exports.
  return `arn:aws:service:eu-central-1:000000000000:${JSON.stringify(argument).replaceAll(/[^\w-]/g, '')}`;
}

/** The definitions of a service's state machines by their names, without building the functions. */
export async function definitionsOf(service: string, env: string): Promise<ReadonlyMap<string, DrawnDefinition>> {
  const app = new App({ context: { ...cdkJson.context, 'aws:cdk:bundling-stacks': [] }, analyticsReporting: false });
  const own = { runbooks: join(root, 'runbooks'), environments: undefined, anonymous: false };
  await serviceApp(app, { service, env, ...own });
  const stack = app.node.findChild(`${service}-${env}-Remediation`) as Stack;
  const machines = Template.fromStack(stack).findResources('AWS::StepFunctions::StateMachine');
  return new Map(
    Object.values(machines).map(({ Properties }) => [
      String(Properties.StateMachineName),
      JSON.parse(text(Properties.DefinitionString)),
    ]),
  );
}
