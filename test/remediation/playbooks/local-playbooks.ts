import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DynamoDBClient, ListTablesCommand } from '@aws-sdk/client-dynamodb';
import { LambdaClient } from '@aws-sdk/client-lambda';
import {
  DescribeExecutionCommand,
  ListStateMachinesCommand,
  SFNClient,
  StartExecutionCommand,
} from '@aws-sdk/client-sfn';
import { DynamoDBDocumentClient, GetCommand } from '@aws-sdk/lib-dynamodb';
import { App, Stack } from 'aws-cdk-lib';
import cdkJson from '../../../cdk.json' with { type: 'json' };
import { type ControlStore, dynamoDbControl } from '../../../lambdas/shared/control.ts';
import { loadEnvironment } from '../../../lib/config/load.ts';
import { RealtimeStack } from '../../../lib/realtime/realtime-stack.ts';
import { Playbooks } from '../../../lib/remediation/playbooks/playbooks.ts';
import type { PlaybookName } from '../../../lib/runbook/playbooks.ts';
import { loadRunbook } from '../../../lib/runbook/reader.ts';
import { type LocalEnvironment, startEnvironment } from '../../../local/environment.ts';

export const service = 'archon';

/** The stacks that playbooks are about, without the schedules: nothing runs that a test did not start. */
export async function playbookStacks(outdir?: string) {
  const context = { ...cdkJson.context, ...(outdir === undefined && { 'aws:cdk:bundling-stacks': [] }) };
  const app = new App({ context, analyticsReporting: false, ...(outdir !== undefined && { outdir }) });
  const environment = await loadEnvironment('dev', undefined);
  const runbook = loadRunbook(service, join(import.meta.dirname, '..', '..', '..', 'runbooks'));
  const env = { region: environment.region };
  const realtime = new RealtimeStack(app, `${service}-dev-Realtime`, { runbook, environment, env });
  realtime.connections.node.tryRemoveChild('CensusSchedule');
  realtime.probe.node.tryRemoveChild('Schedule');
  const stack = new Stack(app, `${service}-dev-Playbooks`, { env });
  const playbooks = new Playbooks(stack, 'Playbooks', { prefix: `${service}-dev`, realtime });
  return { app, stack, playbooks };
}

export interface Ran {
  readonly arn: string;
  readonly status: string;
  readonly output: Record<string, unknown> & { readonly changed?: boolean; readonly summary?: string };
  readonly cause: string;
}

export interface LocalPlaybooks extends LocalEnvironment {
  readonly stateDirectory: string;
  readonly control: ControlStore;
  readonly documents: DynamoDBDocumentClient;
  readonly lambda: LambdaClient;
  readonly states: SFNClient;
  table(part: string): string;
  /** The control record as it is in the table. */
  record(): Promise<Record<string, unknown>>;
  start(playbook: PlaybookName, input: object): Promise<string>;
  ended(executionArn: string): Promise<Ran>;
  run(playbook: PlaybookName, input: object): Promise<Ran>;
  end(): Promise<void>;
}

export async function startPlaybooks(timeScale: number): Promise<LocalPlaybooks> {
  const directory = await mkdtemp(join(tmpdir(), 'playbooks-'));
  const assembly = join(directory, 'cdk.out');
  (await playbookStacks(assembly)).app.synth();
  const environment = await startEnvironment({
    assembly,
    stateDirectory: directory,
    ...{ port: 0, httpPort: 0, awsPort: 0, tokensPort: 0 },
    timeScale,
    fresh: false,
    log: () => {},
  });
  const { awsUrl: endpoint, region } = environment.endpoints;
  const options = { endpoint, region, credentials: environment.developer };
  const dynamo = new DynamoDBClient(options);
  const documents = DynamoDBDocumentClient.from(dynamo);
  const states = new SFNClient(options);
  const lambda = new LambdaClient(options);
  const { TableNames = [] } = await dynamo.send(new ListTablesCommand());
  const table = (part: string) => TableNames.find(name => name.includes(part)) ?? '';
  const { stateMachines = [] } = await states.send(new ListStateMachinesCommand());
  const ended = async (executionArn: string): Promise<Ran> => {
    for (;;) {
      const { status = '', output, cause = '' } = await states.send(new DescribeExecutionCommand({ executionArn }));
      if (status !== 'RUNNING') return { arn: executionArn, status, output: JSON.parse(output ?? '{}'), cause };
      await new Promise(resolve => setTimeout(resolve, 20));
    }
  };
  const start = async (playbook: PlaybookName, input: object) => {
    const machine = stateMachines.find(({ name }) => name === `${service}-dev-${playbook}`);
    const { executionArn = '' } = await states.send(
      new StartExecutionCommand({
        stateMachineArn: machine?.stateMachineArn,
        input: JSON.stringify({ alarm: 'a', parameters: {}, dryRun: false, ...input }),
      }),
    );
    return executionArn;
  };
  return {
    ...environment,
    stateDirectory: directory,
    control: dynamoDbControl(documents, table('Operations'), (_, error) => {
      throw error;
    }),
    documents,
    lambda,
    states,
    table,
    async record() {
      const Key = { record: 'control' };
      return (
        (await documents.send(new GetCommand({ TableName: table('Operations'), Key, ConsistentRead: true }))).Item ?? {}
      );
    },
    start,
    ended,
    run: async (playbook, input) => ended(await start(playbook, input)),
    async end() {
      dynamo.destroy();
      states.destroy();
      lambda.destroy();
      await environment.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
