import { Choice, Condition, type CustomState } from 'aws-cdk-lib/aws-stepfunctions';
import { nothingAutomaticIsLeft } from '../../../lambdas/shared/incidents.ts';
import { format, inAnyCase, task } from '../states.ts';
import type { ResponderSteps } from './steps.ts';

/** How a remediation ends; each way is there once, however many lead to it. */
export class Endings {
  private readonly steps: ResponderSteps;
  private readonly ends = new Map<string, CustomState>();

  constructor(steps: ResponderSteps) {
    this.steps = steps;
  }

  stopped(): CustomState {
    return this.closing('Stopped by a person', 'a person ended the automation; what it changed is undone', 'stopped');
  }

  recovered(): CustomState {
    return this.closing('Recovered', 'the alarm and every recovery alarm have been OK for three periods', 'recovered');
  }

  clearedByItself(): CustomState {
    return this.closing('Cleared by itself', 'it was over before anything was done', 'recovered');
  }

  private closing(name: string, says: string, ending: 'recovered' | 'stopped'): CustomState {
    const made = this.ends.get(name);
    if (made) return made;
    const close = task(this.steps.scope, name, {
      resource: 'states:startExecution.sync:2',
      comment: 'Undoes what was changed, and tells who was paged',
      parameters: {
        StateMachineArn: this.steps.props.closure,
        Input: {
          ...{ 'id.$': '$.id', 'alarm.$': '$.alarm', 'topic.$': '$.plan.topic', 'undo.$': '$.undo' },
          ...{ ending, says },
        },
      },
    });
    close.next(this.steps.finish(`Over: ${name}`));
    this.ends.set(name, close);
    return close;
  }

  /** Nothing automatic is left: people go on, and the reconciler closes the incident when all is well. */
  handingOver(): CustomState {
    const made = this.ends.get('hand over');
    if (made) return made;
    const { command } = this.steps.props;
    const noted = this.steps.writes.note(
      this.steps.scope,
      'Write that people are needed',
      'decision',
      `${nothingAutomaticIsLeft}; people have it now`,
      {
        set: { status: { S: 'escalated' } },
      },
    );
    const over = this.steps.finish('Handed over');
    const told = this.steps.page(
      'Hand over',
      format('{}: over to you', '$.plan.subject'),
      format(
        `Incident {} is not over, and ${nothingAutomaticIsLeft}: {}\nWhat was changed stays until it is over, or: ${command} stop {}\nRunbook: {}`,
        '$.id',
        '$.mode.says',
        '$.id',
        '$.plan.link',
      ),
      over,
    );
    const anythingNew = new Choice(this.steps.scope, 'Did the page say so', {
      comment: 'Where nothing automatic was ever meant, whoever was paged knows that people have it',
    })
      .when(
        Condition.and(
          Condition.numberEquals('$.plan.attemptCount', 0),
          Condition.not(Condition.isPresent('$.unpaged')),
        ),
        over,
      )
      .otherwise(told);
    inAnyCase(noted, anythingNew);
    this.ends.set('hand over', noted);
    return noted;
  }
}
