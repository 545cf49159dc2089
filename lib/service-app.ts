import { type App, Tags } from 'aws-cdk-lib';
import { reportUnreachable } from './config/contacts.ts';
import type { Environment } from './config/environment.ts';
import { loadEnvironment } from './config/load.ts';
import { ObservabilityStack } from './observability/observability-stack.ts';
import { RealtimeStack } from './realtime/realtime-stack.ts';
import { RemediationStack } from './remediation/remediation-stack.ts';
import { described } from './runbook/problem.ts';
import { listServices, loadRunbook } from './runbook/reader.ts';

/** Which service to build for which environment, as the command line says it. */
export interface Selection {
  readonly service: string | undefined;
  readonly env: string | undefined;
  /** Directory of the runbooks. */
  readonly runbooks: string;
  /** A user's own environments; the project's where absent. */
  readonly environments: string | undefined;
  /** Admit clients without a token, which only `dev` may. */
  readonly anonymous: boolean;
}

/** Thrown where the command line does not say what to build. */
export class SelectionError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'SelectionError';
  }
}

function withAnonymous(environment: Environment): Environment {
  if (environment.name !== 'dev') {
    throw new SelectionError(`anonymous clients are for the environment dev, not for ${environment.name}`);
  }
  return { ...environment, anonymous: true };
}

/**
 * Adds the stacks of one service in one environment to the app.
 * @throws SelectionError, RunbookNotFound, RunbookErrors, EnvironmentErrors whose messages say what to mend
 */
export async function serviceApp(app: App, selection: Selection): Promise<void> {
  const { service, env } = selection;
  if (!service || !env) {
    const services = listServices(selection.runbooks).join(', ');
    throw new SelectionError(`say what to build with -c service=SERVICE -c env=ENVIRONMENT; services: ${services}`);
  }
  const loaded = await loadEnvironment(env, selection.environments);
  const environment = selection.anonymous ? withAnonymous(loaded) : loaded;
  const runbook = loadRunbook(
    service,
    selection.runbooks,
    warning => console.error(`warning: ${described(warning)}`),
    reading => reportUnreachable(reading, environment),
  );
  const { account, region } = environment;
  const props = { runbook, environment, env: { region, ...(account !== undefined && { account }) } };
  const realtime = new RealtimeStack(app, `${service}-${env}-Realtime`, props);
  const observability = new ObservabilityStack(app, `${service}-${env}-Observability`, { ...props, realtime });
  new RemediationStack(app, `${service}-${env}-Remediation`, { ...props, realtime, observability });
  Tags.of(app).add('service', service);
  Tags.of(app).add('environment', env);
}
