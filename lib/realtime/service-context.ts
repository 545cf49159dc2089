import type { RemovalPolicy } from 'aws-cdk-lib';
import type { Settings } from '../runbook/settings.ts';

/** What every part of one service in one environment has to know of it. */
export interface ServiceContext {
  readonly service: string;
  readonly environmentName: string;
  /** The runbook's settings with the environment's overrides. */
  readonly settings: Settings;
  /** Of what holds data. */
  readonly removalPolicy: RemovalPolicy;
}
