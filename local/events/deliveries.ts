import { AwsError, type Log, type Principal } from '../aws/service.ts';
import type { Clock } from '../clock.ts';
import type { Lambda } from '../lambda/lambda.ts';
import type { Sns } from '../sns/service.ts';
import type { Sqs } from '../sqs/service.ts';
import type { StepFunctions } from '../stepfunctions/service.ts';
import type { Rule, Target } from './rules.ts';
import type { BusEvent } from './target-input.ts';

export interface DeliveryOptions {
  readonly lambda: Pick<Lambda, 'invokeAsync'>;
  readonly stepFunctions: Pick<StepFunctions, 'startExecution'>;
  readonly sqs: Pick<Sqs, 'deliver'>;
  readonly sns: Pick<Sns, 'publish'>;
  readonly clock: Clock;
  readonly log: Log;
}

// "Retry policy and using dead-letter queues": exponential back-off with jitter; its figures are not documented.
const shortestBackOffMs = 1_000;
const longestBackOffMs = 15 * 60 * 1_000;

/** Brings events to targets, with retries and dead-letter queues. What waits for a retry is lost at close. */
export class Deliveries {
  readonly #options: DeliveryOptions;
  readonly #underWay = new Set<Promise<void>>();
  readonly #waiting = new Set<() => void>();
  #isClosed = false;

  constructor(options: DeliveryOptions) {
    this.#options = options;
  }

  /** Begins to deliver; what goes wrong is in the log. */
  start(event: BusEvent, rule: Rule, target: Target): void {
    this.#attempt(event, rule, target, this.#options.clock.now(), 0);
  }

  /** Waits for what is under way. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const cancel of this.#waiting) cancel();
    if (this.#waiting.size > 0)
      this.#options.log('warn', 'events', 'events that wait for another attempt are lost', {
        events: this.#waiting.size,
      });
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
  }

  #attempt(event: BusEvent, rule: Rule, target: Target, since: number, failures: number): void {
    const { clock, log } = this.#options;
    const failed = async (error: unknown) => {
      const code = error instanceof AwsError ? error.code : 'INTERNAL_ERROR';
      const message = error instanceof Error ? error.message : String(error);
      // "not all event errors are retried": a permission or target that is missing is not there the next time either.
      const canRetry = error instanceof AwsError && (error.status === 429 || error.status >= 500);
      const delayMs = Math.min(longestBackOffMs, shortestBackOffMs * 2 ** failures) * (0.5 + Math.random() / 2);
      const isTooOld = clock.now() + delayMs - since > target.maxEventAgeSeconds * 1000;
      const isRetried = canRetry && failures < target.maxRetryAttempts && !isTooOld && !this.#isClosed;
      log(isRetried ? 'warn' : 'error', 'events', message, { rule: rule.name, target: target.arn, failures });
      if (!isRetried) return this.#deadLetter(event, rule, target, code, message);
      const cancel = clock.schedule(delayMs, () => {
        this.#waiting.delete(cancel);
        this.#attempt(event, rule, target, since, failures + 1);
      });
      this.#waiting.add(cancel);
    };
    const delivery: Promise<void> = this.#deliver(event, rule, target)
      .catch(failed)
      .finally(() => this.#underWay.delete(delivery));
    this.#underWay.add(delivery);
  }

  async #deliver(event: BusEvent, rule: Rule, target: Target): Promise<void> {
    const { lambda, stepFunctions, sqs, sns } = this.#options;
    const input = target.input(event, rule);
    const principal = principalOf(rule);
    const text = typeof input === 'string' ? input : (JSON.stringify(input) ?? 'null');
    switch (target.service) {
      case 'states': {
        const role: Principal = { kind: 'role', arn: target.roleArn ?? '' };
        await stepFunctions.startExecution(target.arn, JSON.stringify(input) ?? 'null', undefined, role);
        return;
      }
      case 'lambda':
        await lambda.invokeAsync(target.arn, input, principal);
        return;
      case 'sqs':
        await sqs.deliver(target.arn, { body: text, groupId: target.messageGroupId }, principal);
        return;
      case 'sns':
        await sns.publish(target.arn, { message: text }, principal);
    }
  }

  /** "Considerations for using a dead-letter queue": the event as it was, the reason in attributes. */
  async #deadLetter(event: BusEvent, rule: Rule, target: Target, code: string, message: string): Promise<void> {
    const { sqs, log } = this.#options;
    if (target.deadLetterQueueArn === undefined) return;
    const attribute = (StringValue: string) => ({ DataType: 'String', StringValue });
    const attributes = {
      RULE_ARN: attribute(rule.arn),
      TARGET_ARN: attribute(target.arn),
      ERROR_CODE: attribute(code === 'AccessDeniedException' ? 'NO_PERMISSIONS' : code),
      ERROR_MESSAGE: attribute(message),
    };
    await sqs
      .deliver(target.deadLetterQueueArn, { body: JSON.stringify(event), attributes }, principalOf(rule))
      .catch((error: Error) =>
        log('error', 'events', `a dead-letter queue took no event: ${error.message}`, { rule: rule.name }),
      );
  }
}

const principalOf = ({ arn }: Rule): Principal => ({
  kind: 'service',
  service: 'events.amazonaws.com',
  sourceArn: arn,
});
