import type { Place } from '../assembly/resource.ts';
import { AwsError, type Log } from '../aws/service.ts';
import type { Sns } from '../sns/service.ts';
import { notification } from './alarm-event.ts';
import type { AlarmHistory } from './alarm-history.ts';
import type { AlarmAction } from './alarms.ts';

export interface AlarmActionsOptions {
  readonly sns: Pick<Sns, 'publish'>;
  readonly place: Place;
  readonly log: Log;
  readonly history: AlarmHistory;
}

/** Publishes to the topics that are an alarm's actions. CloudWatch does not try again. */
export class AlarmActions {
  readonly #options: AlarmActionsOptions;
  readonly #underWay = new Set<Promise<void>>();

  constructor(options: AlarmActionsOptions) {
    this.#options = options;
  }

  /** Starts the actions; what fails is told in the terminal and in the alarm's history. */
  carryOut(action: AlarmAction): void {
    for (const target of action.targets) {
      const publication = this.#publish(target, action).finally(() => this.#underWay.delete(publication));
      this.#underWay.add(publication);
    }
  }

  /** Waits for what was started. */
  async close(): Promise<void> {
    await Promise.all(this.#underWay);
  }

  async #publish(target: string, action: AlarmAction): Promise<void> {
    const { sns, place, log, history } = this.#options;
    const { alarm, current } = action;
    try {
      const principal = { kind: 'service', service: 'cloudwatch.amazonaws.com', sourceArn: alarm.arn } as const;
      await sns.publish(target, notification(action, place), principal);
      history.acted(alarm, current.updatedAt, `Successfully executed action ${target}`);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      log('error', 'cloudwatch', 'an alarm action failed', {
        alarm: alarm.name,
        action: target,
        error: error instanceof AwsError ? message : error instanceof Error ? error.stack : message,
      });
      history.acted(alarm, current.updatedAt, `Failed to execute action ${target}. Received error: "${message}"`);
    }
  }
}
