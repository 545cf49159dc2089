import { Choice, Condition, type CustomState, Errors, Pass } from 'aws-cdk-lib/aws-stepfunctions';
import { runsPlaybook } from '../../../lambdas/shared/incidents.ts';
import { askWhetherToStop, format, inAnyCase, isToStop, task, why, whyItFailed } from '../states.ts';
import { approving } from './approval.ts';
import type { Endings } from './endings.ts';
import type { ResponderSteps } from './steps.ts';

/** Longer than the longest drain; a playbook has timeouts of its own. */
const playbookSeconds = 60 * 60;

/** The playbooks of a plan, one try after the other, each verified. */
export class Attempts {
  private readonly steps: ResponderSteps;
  private readonly endings: Endings;

  constructor(steps: ResponderSteps, endings: Endings) {
    this.steps = steps;
    this.endings = endings;
  }

  /** Playbooks in order, each as often as it is tried. @param over where the alarm is over before one is run */
  first(over: Pass): CustomState {
    const { operations } = this.steps.props;
    const handOver = this.endings.handingOver();
    const stopped = this.endings.stopped();
    const position = this.steps.writes.change(this.steps.scope, 'Remember how far it is', {
      set: { position: { 'N.$': "States.Format('{}', $.position)" } },
    });
    const asked = askWhetherToStop(this.steps.scope, 'Is it to be stopped', operations);
    const off = this.steps.writes.note(
      this.steps.scope,
      'Nothing is done',
      'decision',
      'the switch is off: nothing is done by itself',
    );
    const attempt = new Pass(this.steps.scope, 'Next attempt', {
      parameters: { 'next.$': 'States.ArrayGetItem($.plan.attempts, $.position)' },
      resultPath: '$.attempt',
    });
    const forward = new Pass(this.steps.scope, 'Go on', {
      parameters: { 'position.$': 'States.MathAdd($.position, 1)' },
      resultPath: '$.moved',
    });
    const moved = new Pass(this.steps.scope, 'To the next attempt', {
      inputPath: '$.moved.position',
      resultPath: '$.position',
    });
    forward.next(moved);
    moved.next(position);
    inAnyCase(position, asked);
    const step = approving(this.steps, this.endings, { approved: this.locking(forward), over });
    inAnyCase(
      asked,
      new Choice(this.steps.scope, 'Is there another attempt')
        .when(isToStop, stopped)
        .when(Condition.stringEquals('$.mode.value', 'off'), inAnyCase(off, handOver))
        .when(Condition.numberLessThanJsonPath('$.position', '$.plan.attemptCount'), attempt)
        .otherwise(handOver),
    );
    attempt.next(step);
    return asked;
  }

  /** Two alarms with one cause run a playbook once: the other one waits for its verification. */
  private locking(forward: Pass): CustomState {
    const lock = this.steps.ask(
      'Lock the playbook',
      'lock',
      {
        ...{ 'playbook.$': '$.attempt.next.playbook', 'incident.$': '$.id', 'execution.$': '$$.Execution.Id' },
        'cooldownSeconds.$': '$.plan.cooldownSeconds',
      },
      '$.lock',
      ['verdict', 'says'],
    );
    const failed = this.steps.writes.note(
      this.steps.scope,
      'Write that it cannot be locked',
      'failure',
      format('left out: {} cannot be locked: {}', '$.attempt.next.says', '$.lock.Error'),
    );
    const leftOut = this.steps.writes.note(this.steps.scope, 'Write that it is left out', 'decision', '$.lock.says');
    const awaited = this.steps.writes.note(this.steps.scope, 'Write that it is awaited', 'decision', '$.lock.says');
    const after = this.measuringAfter(forward);
    const verifyAwaited = this.steps.verify('Await the other one', false, {
      recovered: after.recovered,
      stopped: this.endings.stopped(),
      otherwise: forward,
      notRecovered: forward,
    });
    inAnyCase(failed, forward);
    inAnyCase(leftOut, forward);
    inAnyCase(awaited, verifyAwaited);
    lock.addCatch(failed, { errors: [Errors.ALL], resultPath: '$.lock' });
    lock.next(
      new Choice(this.steps.scope, 'Is it ours')
        .when(Condition.stringEquals('$.lock.verdict', 'held'), this.running(forward, after))
        .when(Condition.stringEquals('$.lock.verdict', 'taken'), awaited)
        .otherwise(leftOut),
    );
    return lock;
  }

  private running(
    forward: Pass,
    after: { readonly recovered: CustomState; readonly notRecovered: CustomState },
  ): CustomState {
    const begun = this.steps.writes.note(
      this.steps.scope,
      'Write what is run',
      'action',
      format(`${runsPlaybook}{}`, '$.attempt.next.says'),
    );
    const named = new Pass(this.steps.scope, 'Name its execution', {
      parameters: { 'name.$': 'States.UUID()' },
      resultPath: '$.run',
    });
    const run = task(this.steps.scope, 'Run the playbook', {
      resource: 'states:startExecution.sync:2',
      parameters: {
        'StateMachineArn.$': '$.attempt.next.machine',
        'Name.$': '$.run.name',
        Input: {
          ...{ 'incident.$': '$.id', 'alarm.$': '$.alarm', 'parameters.$': '$.attempt.next.parameters' },
          dryRun: false,
        },
      },
      resultSelector: { 'output.$': '$.Output' },
      resultPath: '$.ran',
      timeoutSeconds: playbookSeconds,
      retried: false,
    });
    const giveBack = task(this.steps.scope, 'Give back what it may have begun', {
      resource: 'states:startExecution',
      comment: 'One that is cut off tells nothing of what it changed; what comes next does not wait for this',
      parameters: {
        'StateMachineArn.$': '$.attempt.next.machine',
        Input: {
          ...{ 'incident.$': '$.id', 'alarm.$': '$.alarm', parameters: {}, dryRun: false },
          undo: { 'owner.$': format('{}:{}', '$.attempt.next.executions', '$.run.name') },
        },
      },
    });
    const failed = this.steps.writes.note(
      this.steps.scope,
      'Write that the playbook failed',
      'failure',
      format('{} failed: {}', '$.attempt.next.says', why),
    );
    const unlockFailed = this.unlock('Free the failed playbook');
    const told = this.steps.page(
      'Tell that the playbook failed',
      format('{}: playbook failed', '$.plan.subject'),
      format(
        'Incident {}: {} failed: {}\nWhat it may have changed is being given back, and what comes next is tried. Runbook: {}',
        '$.id',
        '$.attempt.next.says',
        why,
        '$.plan.link',
      ),
      unlockFailed,
    );
    const done = this.steps.writes.note(this.steps.scope, 'Write what was done', 'action', '$.ran.output.summary');
    const remembered = this.steps.writes.note(
      this.steps.scope,
      'Remember how to undo it',
      'action',
      format('{}; to be undone afterwards', '$.ran.output.summary'),
      {
        set: {
          'undo.#position': {
            M: {
              playbook: { 'S.$': '$.attempt.next.playbook' },
              machine: { 'S.$': '$.attempt.next.machine' },
              change: { 'S.$': 'States.JsonToString($.ran.output.change)' },
            },
          },
        },
        names: { '#position': "States.Format('{}', $.position)" },
      },
    );
    const change = new Pass(this.steps.scope, 'Take the change', {
      parameters: {
        pending: [
          {
            'key.$': "States.Format('{}', $.position)",
            'playbook.$': '$.attempt.next.playbook',
            'machine.$': '$.attempt.next.machine',
            'change.$': '$.ran.output.change',
          },
        ],
      },
      resultPath: '$.mine',
    });
    const two = new Pass(this.steps.scope, 'It is undone first', {
      parameters: { 'lists.$': 'States.Array($.mine.pending, $.undo)' },
      resultPath: '$.pending',
    });
    const merged = new Pass(this.steps.scope, 'Then what was before', {
      parameters: { 'all.$': '$.pending.lists[*][*]' },
      resultPath: '$.pending',
    });
    const kept = new Pass(this.steps.scope, 'What is to be undone', {
      inputPath: '$.pending.all',
      resultPath: '$.undo',
    });
    const verify = this.steps.verify('Verify', false, {
      recovered: this.unlockThen('Free the playbook that helped', after.recovered),
      stopped: this.unlockThen('Free the stopped playbook', this.endings.stopped()),
      otherwise: this.unlockThen('Free the playbook', after.notRecovered),
    });
    named.next(run);
    inAnyCase(begun, named);
    run.addCatch(giveBack, { errors: [Errors.ALL], resultPath: '$.ran' });
    inAnyCase(giveBack, whyItFailed(this.steps.scope, 'Why did the playbook fail', '$.ran', failed));
    inAnyCase(failed, told);
    inAnyCase(unlockFailed, forward);
    run.next(
      new Choice(this.steps.scope, 'Is there something to undo')
        .when(
          Condition.and(
            // A release that was taken back stays so: it was the cause.
            Condition.booleanEquals('$.attempt.next.temporary', true),
            Condition.isPresent('$.ran.output.change'),
            Condition.isNotNull('$.ran.output.change'),
            Condition.booleanEquals('$.ran.output.changed', true),
          ),
          change,
        )
        .otherwise(inAnyCase(done, verify)),
    );
    change.next(two).next(merged).next(kept).next(inAnyCase(remembered, verify));
    return begun;
  }

  private measuringAfter(forward: Pass) {
    return {
      recovered: this.steps.measuring('after', this.endings.recovered()),
      notRecovered: this.steps.measuring('after, not recovered', forward),
    };
  }

  private unlock(name: string): CustomState {
    return task(this.steps.scope, name, {
      resource: 'dynamodb:updateItem',
      parameters: {
        TableName: this.steps.props.operations.tableName,
        Key: { record: { 'S.$': "States.Format('lock#{}', $.attempt.next.playbook)" } },
        UpdateExpression: 'SET #endedAt = :now REMOVE #owner',
        ConditionExpression: '#owner = :me',
        ExpressionAttributeNames: { '#endedAt': 'endedAt', '#owner': 'owner' },
        ExpressionAttributeValues: {
          ':now': { 'S.$': '$$.State.EnteredTime' },
          ':me': { 'S.$': '$$.Execution.Id' },
        },
      },
    });
  }

  private unlockThen(name: string, next: CustomState): CustomState {
    return inAnyCase(this.unlock(name), next);
  }
}
