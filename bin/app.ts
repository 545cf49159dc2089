import { join } from 'node:path';
import { App } from 'aws-cdk-lib';
import { type Selection, serviceApp } from '../lib/service-app.ts';

/**
 * The CDK app: the stacks of one service in one environment.
 *
 *     cdk deploy -c service=matchbook -c env=prod '*'
 *
 * `-c runbooks=DIR` and `-c environments=FILE` take a user's own; `-c anonymous=true` admits clients without a token (dev).
 */
const app = new App();
const context = (name: string): string | undefined => app.node.tryGetContext(name);

const selection: Selection = {
  service: context('service'),
  env: context('env'),
  runbooks: context('runbooks') ?? join(import.meta.dirname, '..', 'runbooks'),
  environments: context('environments'),
  anonymous: context('anonymous') === 'true',
};

try {
  await serviceApp(app, selection);
  app.synth();
} catch (error) {
  // What a user has to mend is in the message; where in this code it was found is not for them.
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
