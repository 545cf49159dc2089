import { Choice, Condition, type CustomState, Errors, Pass, type State, Succeed } from 'aws-cdk-lib/aws-stepfunctions';
import { format, inAnyCase, type Text, task, texts } from '../states.ts';
import type { Attempts } from './attempts.ts';
import type { Endings } from './endings.ts';
import type { ResponderSteps } from './steps.ts';

/** A diagnosis that takes longer holds up the help. */
const diagnosisSeconds = 3 * 60;

/** What an incident is opened with, beside its id, and what the function answers. */
const opened = {
  ...{ 'alarm.$': '$.alarm', 'alarmAt.$': '$.alarmAt', 'reason.$': '$.reason' },
  ...{ 'severity.$': '$.plan.severity', 'title.$': '$.plan.title', 'link.$': '$.plan.link' },
  ...{ 'topic.$': '$.plan.topic', 'windowSeconds.$': '$.plan.windowSeconds', 'execution.$': '$$.Execution.Id' },
};
const answered = ['verdict', 'incident', 'announced', 'position', 'undo'];

/** Up to the first attempt: incident, mode, page, diagnosis. */
export class Opening {
  private readonly steps: ResponderSteps;
  private readonly endings: Endings;
  private readonly attempts: Attempts;

  constructor(steps: ResponderSteps, endings: Endings, attempts: Attempts) {
    this.steps = steps;
    this.endings = endings;
    this.attempts = attempts;
  }

  /** Gives the incident its name, and finds out whether somebody works on it. */
  begin(): Pass {
    const ask = this.asking();
    const parts = new Pass(this.steps.scope, 'Take the time apart', {
      parameters: {
        'name.$': "States.StringSplit($.plan.alarm, '-')",
        'time.$': "States.StringSplit($$.Execution.StartTime, '-:.TZ')",
      },
      resultPath: '$.parts',
    });
    const named = new Pass(this.steps.scope, 'Name the incident', {
      parameters: {
        'id.$':
          "States.Format('{}-{}{}{}-{}{}{}', States.ArrayGetItem($.parts.name, States.MathAdd(States.ArrayLength($.parts.name), -1)), $.parts.time[0], $.parts.time[1], $.parts.time[2], $.parts.time[3], $.parts.time[4], $.parts.time[5])",
      },
      resultPath: '$.named',
    });
    const open = this.steps.ask('Open the incident', 'open', { 'id.$': '$.named.id', ...opened }, '$.opened', answered);
    const unstored = new Pass(this.steps.scope, 'Go on without the store', {
      parameters: {
        ...{ verdict: 'opened', 'incident.$': '$.named.id', announced: false, position: 0, undo: [] },
        unrecorded: true,
      },
      resultPath: '$.opened',
    });
    const carried = new Pass(this.steps.scope, 'What the incident is about', {
      parameters: {
        ...{ 'alarm.$': '$.alarm', 'reason.$': '$.reason', 'plan.$': '$.plan', 'id.$': '$.opened.incident' },
        ...{ 'announced.$': '$.opened.announced', 'position.$': '$.opened.position', 'undo.$': '$.opened.undo' },
        ...{ 'alarmAt.$': '$.alarmAt', 'opened.$': '$.opened' },
      },
    });
    open.addCatch(unstored, { errors: [Errors.ALL], resultPath: '$.ignored' });
    open.next(
      new Choice(this.steps.scope, 'Is somebody at it', {
        comment: 'Events can come twice, and the reconciler starts this too',
      })
        .when(
          Condition.stringEquals('$.opened.verdict', 'duplicate'),
          new Succeed(this.steps.scope, 'Somebody is at it'),
        )
        .otherwise(carried),
    );
    unstored.next(carried);
    carried.next(ask);
    parts.next(named);
    named.next(open);
    return parts;
  }

  /** Does a more severe alarm say more? What may be done by itself? */
  private asking(): Choice {
    const { operations } = this.steps.props;
    const superseded = this.steps.writes.note(
      this.steps.scope,
      'Only record it',
      'decision',
      format(
        '{}, of the same signal and more severe, is in ALARM; its incident has the remediation',
        '$.over.names[0]',
      ),
      { set: { status: { S: 'superseded' }, supersededBy: { 'SS.$': '$.over.names' } } },
    );
    const over = task(this.steps.scope, 'More severe ones in ALARM', {
      resource: 'aws-sdk:cloudwatch:describeAlarms',
      parameters: { 'AlarmNames.$': '$.plan.supersededBy', StateValue: 'ALARM' },
      resultSelector: { 'names.$': '$.MetricAlarms[*].AlarmName' },
      resultPath: '$.over',
    });
    const readSwitch = task(this.steps.scope, 'Read the switch', {
      resource: 'dynamodb:getItem',
      parameters: {
        TableName: operations.tableName,
        Key: { record: { S: 'control' } },
        ConsistentRead: true,
        ProjectionExpression: '#remediation',
        ExpressionAttributeNames: { '#remediation': 'remediation' },
      },
      resultPath: '$.control',
    });
    const isOver = new Choice(this.steps.scope, 'Is one in ALARM')
      .when(Condition.isPresent('$.over.names[0]'), inAnyCase(superseded, new Succeed(this.steps.scope, 'Recorded')))
      .otherwise(readSwitch);
    inAnyCase(over, isOver);
    inAnyCase(readSwitch, this.modes());
    return new Choice(this.steps.scope, 'Can one be more severe')
      .when(Condition.isPresent('$.plan.supersededBy[0]'), over)
      .otherwise(readSwitch);
  }

  private modes(): Choice {
    const page = this.announcing();
    const mode = (name: string, value: string, says: Text) => {
      const pass = new Pass(this.steps.scope, name, {
        parameters: { value, ...texts({ says }) },
        resultPath: '$.mode',
      });
      pass.next(page);
      return pass;
    };
    const off = mode('The switch is off', 'off', 'nothing: the switch of the remediation is off');
    const approval = mode('After approval', 'approval', '$.plan.says');
    const asked = mode(
      'After approval, by the switch',
      'approval',
      format('after approval, by the switch: {}', '$.plan.says'),
    );
    const automatic = mode('By itself', 'automatic', '$.plan.says');
    const at = '$.control.Item.remediation.S';
    return new Choice(this.steps.scope, 'What may be done', {
      comment: 'npm run incident -- switch automatic|approval|off',
    })
      .when(Condition.and(Condition.isPresent(at), Condition.stringEquals(at, 'off')), off)
      .when(Condition.stringEquals('$.plan.mode', 'approval'), approval)
      .when(Condition.and(Condition.isPresent(at), Condition.stringEquals(at, 'approval')), asked)
      .otherwise(automatic);
  }

  /** The escalation first: it needs nothing of what follows. */
  private announcing(): Choice {
    const { command, escalation } = this.steps.props;
    const measure = this.steps.measuring('before', this.diagnosing());
    const escalate = task(this.steps.scope, 'Start the escalation', {
      resource: 'states:startExecution',
      parameters: {
        StateMachineArn: escalation,
        Input: {
          ...{ 'id.$': '$.id', 'alarm.$': '$.alarm', 'severity.$': '$.plan.severity' },
          ...{ 'subject.$': '$.plan.subject', 'title.$': '$.plan.title', 'link.$': '$.plan.link' },
        },
      },
    });
    const noted = this.steps.writes.note(
      this.steps.scope,
      'Write the page',
      'page',
      format('told at once; what is done: {}', '$.mode.says'),
      {
        set: { announced: { BOOL: true }, pagedAt: { 'S.$': '$$.State.EnteredTime' } },
      },
    );
    const page = this.steps.page(
      'Page',
      '$.plan.subject',
      format(
        `{}\n{}\n\nWhat is done: {}\nRunbook: {}\nIncident {}: ${command} show {}\nYou have seen it: ${command} ack {}\n`,
        '$.plan.title',
        '$.reason',
        '$.mode.says',
        '$.plan.link',
        '$.id',
        '$.id',
        '$.id',
      ),
      noted,
    );
    inAnyCase(escalate, page);
    inAnyCase(noted, measure);
    return new Choice(this.steps.scope, 'Was it announced')
      .when(Condition.booleanEquals('$.announced', true), measure)
      .otherwise(escalate);
  }

  private diagnosing(): CustomState {
    const { diagnose } = this.steps.props;
    const next = this.recorded(this.stillInAlarm());
    const run = task(this.steps.scope, 'Diagnose', {
      resource: 'states:startExecution.sync:2',
      comment: 'Changes nothing, and never holds up what follows',
      parameters: {
        StateMachineArn: diagnose,
        Input: { 'incident.$': '$.id', 'alarm.$': '$.alarm', parameters: {}, dryRun: false },
      },
      resultSelector: { 'summary.$': '$.Output.summary' },
      resultPath: '$.diagnosis',
      timeoutSeconds: diagnosisSeconds,
      retried: false,
    });
    const noted = this.steps.writes.note(this.steps.scope, 'Write the diagnosis', 'diagnosis', '$.diagnosis.summary');
    const failed = this.steps.writes.note(
      this.steps.scope,
      'Write that it failed',
      'failure',
      format('no diagnosis: {}', '$.diagnosis.Error'),
    );
    run.addCatch(failed, { errors: [Errors.ALL], resultPath: '$.diagnosis' });
    run.next(inAnyCase(noted, next));
    inAnyCase(failed, next);
    return run;
  }

  /**
   * Nothing is changed of which there is no record: it could not be given back. Where the store is still away, people have it,
   * and the reconciler starts anew when it is back.
   */
  private recorded(next: State): Choice {
    const { scope, writes } = this.steps;
    const open = this.steps.ask(
      'Open the incident after all',
      'open',
      { 'id.$': '$.id', ...opened },
      '$.again',
      answered,
    );
    const merged = new Pass(scope, 'It is recorded now', {
      parameters: { 'state.$': 'States.JsonMerge($, $.again, false)' },
      outputPath: '$.state',
    });
    const named = new Pass(scope, 'Its name', { inputPath: '$.incident', resultPath: '$.id' });
    const noted = writes.note(
      scope,
      'Write the page after all',
      'page',
      format('told at once, while the store was away; what is done: {}', '$.mode.says'),
      { set: { announced: { BOOL: true }, pagedAt: { 'S.$': '$$.Execution.StartTime' } } },
    );
    merged.next(named);
    named.next(noted);
    inAnyCase(noted, next);
    open.addCatch(this.endings.handingOver(), { errors: [Errors.ALL], resultPath: '$.ignored' });
    open.next(
      new Choice(scope, 'Is somebody else at it by now')
        .when(
          Condition.stringEquals('$.again.verdict', 'duplicate'),
          new Succeed(scope, 'Somebody else is at it by now'),
        )
        .otherwise(merged),
    );
    return new Choice(scope, 'Is it recorded').when(Condition.isPresent('$.opened.unrecorded'), open).otherwise(next);
  }

  private stillInAlarm(): CustomState {
    const over = new Pass(this.steps.scope, 'It is over by now');
    const loop = this.attempts.first(over);
    const describe = this.steps.ifInAlarm('Is it still in ALARM', loop, over);
    const watch = this.steps.verify('Does it stay OK', true, {
      recovered: this.endings.clearedByItself(),
      stopped: this.endings.stopped(),
      otherwise: loop,
      notRecovered: this.endings.handingOver(),
    });
    over.next(watch);
    return describe;
  }
}
