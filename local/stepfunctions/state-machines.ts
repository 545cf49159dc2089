import { z } from 'zod';
import type { Place, Resource } from '../assembly/resource.ts';
import { declarationError, declared, propertyError } from '../assembly/resource-properties.ts';
import type { Authorization } from '../aws/service.ts';
import { isTrusted } from '../iam/trust.ts';
import { type Definition, eachState, readDefinition } from './definition.ts';
import type { Integrations } from './integrations.ts';

const properties = z.strictObject({
  StateMachineName: z.string().max(80).optional(),
  StateMachineType: z.literal('STANDARD', 'only STANDARD is run').default('STANDARD'),
  RoleArn: z.string(),
  DefinitionString: z.string('only DefinitionString is run'),
  DefinitionSubstitutions: z.record(z.string(), z.coerce.string()).default({}),
  // Without effect here: histories are in memory.
  LoggingConfiguration: z.unknown().optional(),
  TracingConfiguration: z.unknown().optional(),
  EncryptionConfiguration: z.unknown().optional(),
  Tags: z.unknown().optional(),
});

export interface StateMachine {
  readonly arn: string;
  readonly name: string;
  readonly roleArn: string;
  /** As declared, for DescribeStateMachine. */
  readonly text: string;
  readonly definition: Definition;
}

/** "Step Functions service quotas": 1 MB for a definition. */
const maxDefinitionBytes = 1024 * 1024;

/**
 * The state machines of a template by ARN, with every integration that they name prepared.
 * @throws TemplateError that names stack, logical id, and state and resource of what cannot be run here
 */
export async function readStateMachines(
  resources: readonly Resource[],
  { place, authorization, integrations }: { place: Place; authorization: Authorization; integrations: Integrations },
): Promise<ReadonlyMap<string, StateMachine>> {
  const machines = new Map<string, StateMachine>();
  for (const { resource, properties: read } of declared(resources, 'AWS::StepFunctions::StateMachine', properties)) {
    const text = Object.entries(read.DefinitionSubstitutions).reduce(
      (replaced, [name, value]) => replaced.replaceAll(`\${${name}}`, value),
      read.DefinitionString,
    );
    if (Buffer.byteLength(text) > maxDefinitionBytes)
      throw propertyError(resource, 'DefinitionString', `is larger than ${maxDefinitionBytes} bytes`);
    const definition = await preparedDefinition(text, integrations).catch((error: Error) => {
      throw propertyError(resource, 'DefinitionString', error.message);
    });
    if (isTrusted(resources, read.RoleArn, 'states.amazonaws.com') === false)
      throw propertyError(resource, 'RoleArn', `${read.RoleArn} does not let states.amazonaws.com assume it`);
    await checkManagedRule(resource, read.RoleArn, definition, { place, authorization });
    const arn = resource.physicalId;
    machines.set(arn, { arn, name: resource.attributes.Name ?? arn, roleArn: read.RoleArn, text, definition });
  }
  return machines;
}

/** A definition with every integration that it names prepared. @throws Error that names the states that cannot be run here */
export async function preparedDefinition(text: string, integrations: Integrations): Promise<Definition> {
  const definition = readDefinition(text);
  const problems: string[] = [];
  for (const [name, { Resource: taskResource, Parameters }] of eachState(definition)) {
    if (taskResource === undefined) continue;
    try {
      await integrations.prepare(taskResource, Parameters);
    } catch (error) {
      problems.push(`state ${name}: ${(error as Error).message}`);
    }
  }
  if (problems.length > 0) throw new Error(problems.join('; '));
  return definition;
}

/**
 * A role that waits for executions needs a rule that Step Functions keeps for it: without these permissions AWS refuses
 * to create the state machine ("IAM policies for calling Step Functions workflow executions").
 */
async function checkManagedRule(
  resource: Resource,
  roleArn: string,
  definition: Definition,
  { place: { partition, region, account }, authorization }: { place: Place; authorization: Authorization },
): Promise<void> {
  const waits = [...eachState(definition)].some(([, state]) =>
    /states:startExecution\.sync/.test(state.Resource ?? ''),
  );
  if (!waits) return;
  const rule = `arn:${partition}:events:${region}:${account}:rule/StepFunctionsGetEventsForStepFunctionsExecutionRule`;
  for (const action of ['events:PutTargets', 'events:PutRule', 'events:DescribeRule'])
    await authorization
      .authorize({ principal: { kind: 'role', arn: roleArn }, action, resource: rule })
      .catch(error => {
        throw declarationError(resource, `the role is not authorized to create managed-rule: ${error.message}`);
      });
}
