import { DynamoDBClient, paginateListTables } from '@aws-sdk/client-dynamodb';
import { paginateListStateMachines, SFNClient } from '@aws-sdk/client-sfn';
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { systemClock } from '../../local/clock.ts';
import { createMonitoringClock } from '../../local/monitoring-clock.ts';
import { onThisMachine } from '../this-machine.ts';

/** Where a service's incidents are. */
export interface Target {
  readonly service: string;
  readonly env: string;
  readonly store: DynamoDBDocumentClient;
  readonly states: SFNClient;
  /** Name of the Operations table. */
  readonly table: string;
  /** Its time, epoch milliseconds: on this machine that of its monitoring plane, so that a timeline has one. */
  readonly now: () => number;
}

export interface TargetOptions {
  readonly service?: string;
  readonly env?: string;
  /** State directory of the environment on this machine, for who names neither. */
  readonly stateDir: string;
}

/** As CloudFormation names it: stack, logical id, and something of its own. */
const operationsTable = /^(.+)-([a-z][a-z0-9-]*)-Realtime-TablesOperations/;

/**
 * A service on AWS, with the credentials that the AWS SDK finds (`AWS_PROFILE`, `AWS_ENDPOINT_URL` and the like); or, without
 * `service` and `env`, the one that runs on this machine.
 * @throws Error that says what is missing
 */
export async function findTarget({ service, env, stateDir }: TargetOptions): Promise<Target> {
  if ((service === undefined) !== (env === undefined)) throw new Error('give --service and --env, or neither');
  const { configuration, now } = service === undefined ? await here(stateDir) : onAws;
  const client = new DynamoDBClient(configuration);
  const prefix = service === undefined ? undefined : `${service}-${env}-Realtime-TablesOperations`;
  for await (const { TableNames = [] } of paginateListTables({ client }, {})) {
    const table = TableNames.find(name =>
      prefix === undefined ? operationsTable.test(name) : name.startsWith(prefix),
    );
    if (table === undefined) continue;
    const [, namedService = '', namedEnv = ''] = operationsTable.exec(table) ?? [];
    return {
      service: service ?? namedService,
      env: env ?? namedEnv,
      store: DynamoDBDocumentClient.from(client),
      states: new SFNClient(configuration),
      table,
      now,
    };
  }
  throw new Error(`there is no table ${prefix ?? 'of a service'}; expected the stacks of a deployed service`);
}

const onAws = { configuration: {}, now: Date.now };

async function here(stateDirectory: string) {
  const { endpoints, configuration } = await onThisMachine(stateDirectory, '--service and --env');
  const { start, scale } = endpoints.monitoring;
  return { configuration, now: createMonitoringClock(scale, systemClock, start).now };
}

/** ARN of a playbook's state machine. @throws Error where there is none */
export async function playbookArn({ states, service, env }: Target, playbook: string): Promise<string> {
  for await (const { stateMachines = [] } of paginateListStateMachines({ client: states }, {})) {
    const found = stateMachines.find(({ name }) => name === `${service}-${env}-${playbook}`);
    if (found?.stateMachineArn) return found.stateMachineArn;
  }
  throw new Error(`there is no playbook ${playbook} of ${service} in ${env}`);
}
