import {
  Choice,
  Condition,
  type CustomState,
  DefinitionBody,
  Errors,
  Fail,
  Pass,
  Result,
  type State,
  StateMachine,
  Succeed,
} from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import { approvalSeconds } from '../../lambdas/shared/incidents.ts';
import { MachinePermissions, type PageTopics, type StoreTable } from './permissions.ts';
import type { Plan } from './plan.ts';
import {
  askWhetherToStop,
  format,
  IncidentWrites,
  inAnyCase,
  isToStop,
  publish,
  type Text,
  task,
  texts,
  why,
  whyItFailed,
} from './states.ts';

export interface ResponderProps {
  /** `<service>-<env>`. */
  readonly prefix: string;
  /** What people call from the repository, without what they want: `npm run incident -- --service … --env …`. */
  readonly command: string;
  /** One for each alarm of the runbook. */
  readonly plans: readonly Plan[];
  readonly operations: StoreTable;
  readonly topics: PageTopics;
  /** ARN of the function `responder`. */
  readonly functionArn: string;
  /** ARNs of the state machines it starts. */
  readonly verification: string;
  readonly escalation: string;
  readonly closure: string;
  readonly diagnose: string;
}

/** Longer than the longest drain; a playbook has timeouts of its own. */
const playbookSeconds = 60 * 60;
/** A diagnosis that takes longer holds up the help. */
const diagnosisSeconds = 3 * 60;

/**
 * What is done about an alarm: a state machine whose definition says so for every alarm of the runbook.
 *
 * Input `{alarm, alarmAt, reason}`. Nothing that tells or records holds up what is done: where the store fails, people are
 * paged all the same.
 */
export class Responder extends Construct {
  readonly machine: StateMachine;
  private readonly props: ResponderProps;
  private readonly writes: IncidentWrites;

  constructor(scope: Construct, id: string, props: ResponderProps) {
    super(scope, id);
    const { prefix, plans, operations, topics } = props;
    this.props = props;
    this.writes = new IncidentWrites(operations);
    this.machine = new StateMachine(this, 'Machine', {
      stateMachineName: `${prefix}-responder`,
      comment: 'Answers an alarm: incident, page, playbooks, verification; docs/remediation.md',
      definitionBody: DefinitionBody.fromChainable(this.definition()),
    });
    const changing = [...new Set(plans.flatMap(plan => plan.attempts.map(({ playbook }) => `${prefix}-${playbook}`)))];
    new MachinePermissions(this.machine)
      .table(operations, 'GetItem', 'UpdateItem')
      .describeAlarms()
      .publish(topics)
      .invoke(props.functionArn)
      .start(`${prefix}-escalation`)
      .run(`${prefix}-verification`, `${prefix}-closure`, `${prefix}-diagnose`, ...changing);
  }

  private definition(): Choice {
    const { plans } = this.props;
    const open = this.opening();
    const which = new Choice(this, 'Which alarm', { comment: 'Every row of the table of alarms' });
    for (const plan of plans) {
      const pass = new Pass(this, `Plan of ${plan.alarm}`, {
        comment: `${plan.title}. ${plan.says}`,
        result: Result.fromObject({ ...plan }),
        resultPath: '$.plan',
      });
      which.when(Condition.stringEquals('$.alarm', plan.alarm), pass.next(open));
    }
    // Somebody's own alarm whose name begins as the service's do.
    return which.otherwise(new Succeed(this, 'No alarm of the runbook'));
  }

  /** Gives the incident its name, and finds out whether somebody works on it. */
  private opening(): Pass {
    const ask = this.asking();
    const parts = new Pass(this, 'Take the time apart', {
      parameters: {
        'name.$': "States.StringSplit($.plan.alarm, '-')",
        'time.$': "States.StringSplit($$.Execution.StartTime, '-:.TZ')",
      },
      resultPath: '$.parts',
    });
    const named = new Pass(this, 'Name the incident', {
      parameters: {
        'id.$':
          "States.Format('{}-{}{}{}-{}{}{}', States.ArrayGetItem($.parts.name, States.MathAdd(States.ArrayLength($.parts.name), -1)), $.parts.time[0], $.parts.time[1], $.parts.time[2], $.parts.time[3], $.parts.time[4], $.parts.time[5])",
      },
      resultPath: '$.named',
    });
    const open = this.ask(
      'Open the incident',
      'open',
      {
        ...{ 'id.$': '$.named.id', 'alarm.$': '$.alarm', 'alarmAt.$': '$.alarmAt', 'reason.$': '$.reason' },
        ...{ 'severity.$': '$.plan.severity', 'title.$': '$.plan.title', 'link.$': '$.plan.link' },
        ...{ 'topic.$': '$.plan.topic', 'windowSeconds.$': '$.plan.windowSeconds', 'execution.$': '$$.Execution.Id' },
      },
      '$.opened',
      ['verdict', 'incident', 'announced', 'position', 'undo'],
    );
    const unstored = new Pass(this, 'Go on without the store', {
      parameters: { verdict: 'opened', 'incident.$': '$.named.id', announced: false, position: 0, undo: [] },
      resultPath: '$.opened',
    });
    const carried = new Pass(this, 'What the incident is about', {
      parameters: {
        ...{ 'alarm.$': '$.alarm', 'reason.$': '$.reason', 'plan.$': '$.plan', 'id.$': '$.opened.incident' },
        ...{ 'announced.$': '$.opened.announced', 'position.$': '$.opened.position', 'undo.$': '$.opened.undo' },
      },
    });
    open.addCatch(unstored, { errors: [Errors.ALL], resultPath: '$.ignored' });
    open.next(
      new Choice(this, 'Is somebody at it', { comment: 'Events can come twice, and the reconciler starts this too' })
        .when(Condition.stringEquals('$.opened.verdict', 'duplicate'), new Succeed(this, 'Somebody is at it'))
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
    const { operations } = this.props;
    const superseded = this.writes.note(
      this,
      'Only record it',
      'decision',
      format(
        '{}, of the same signal and more severe, is in ALARM; its incident has the remediation',
        '$.over.names[0]',
      ),
      { set: { status: { S: 'superseded' }, supersededBy: { 'SS.$': '$.over.names' } } },
    );
    const over = task(this, 'More severe ones in ALARM', {
      resource: 'aws-sdk:cloudwatch:describeAlarms',
      parameters: { 'AlarmNames.$': '$.plan.supersededBy', StateValue: 'ALARM' },
      resultSelector: { 'names.$': '$.MetricAlarms[*].AlarmName' },
      resultPath: '$.over',
    });
    const readSwitch = task(this, 'Read the switch', {
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
    const isOver = new Choice(this, 'Is one in ALARM')
      .when(Condition.isPresent('$.over.names[0]'), inAnyCase(superseded, new Succeed(this, 'Recorded')))
      .otherwise(readSwitch);
    inAnyCase(over, isOver);
    inAnyCase(readSwitch, this.modes());
    return new Choice(this, 'Can one be more severe')
      .when(Condition.isPresent('$.plan.supersededBy[0]'), over)
      .otherwise(readSwitch);
  }

  private modes(): Choice {
    const page = this.announcing();
    const mode = (name: string, value: string, says: Text) => {
      const pass = new Pass(this, name, {
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
    return new Choice(this, 'What may be done', { comment: 'npm run incident -- switch automatic|approval|off' })
      .when(Condition.and(Condition.isPresent(at), Condition.stringEquals(at, 'off')), off)
      .when(Condition.stringEquals('$.plan.mode', 'approval'), approval)
      .when(Condition.and(Condition.isPresent(at), Condition.stringEquals(at, 'approval')), asked)
      .otherwise(automatic);
  }

  /** The escalation first: it needs nothing of what follows. */
  private announcing(): Choice {
    const { command, escalation } = this.props;
    const measure = this.measuring('before', this.diagnosing());
    const escalate = task(this, 'Start the escalation', {
      resource: 'states:startExecution',
      parameters: {
        StateMachineArn: escalation,
        Input: {
          ...{ 'id.$': '$.id', 'alarm.$': '$.alarm', 'severity.$': '$.plan.severity' },
          ...{ 'subject.$': '$.plan.subject', 'title.$': '$.plan.title', 'link.$': '$.plan.link' },
        },
      },
    });
    const noted = this.writes.note(
      this,
      'Write the page',
      'page',
      format('told at once; what is done: {}', '$.mode.says'),
      {
        set: { announced: { BOOL: true }, pagedAt: { 'S.$': '$$.State.EnteredTime' } },
      },
    );
    const page = this.page(
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
    return new Choice(this, 'Was it announced')
      .when(Condition.booleanEquals('$.announced', true), measure)
      .otherwise(escalate);
  }

  private diagnosing(): CustomState {
    const { diagnose } = this.props;
    const next = this.stillInAlarm();
    const run = task(this, 'Diagnose', {
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
    const noted = this.writes.note(this, 'Write the diagnosis', 'diagnosis', '$.diagnosis.summary');
    const failed = this.writes.note(
      this,
      'Write that it failed',
      'failure',
      format('no diagnosis: {}', '$.diagnosis.Error'),
    );
    run.addCatch(failed, { errors: [Errors.ALL], resultPath: '$.diagnosis' });
    run.next(inAnyCase(noted, next));
    inAnyCase(failed, next);
    return run;
  }

  private stillInAlarm(): CustomState {
    const over = new Pass(this, 'It is over by now');
    const loop = this.attempts(over);
    const describe = this.ifInAlarm('Is it still in ALARM', loop, over);
    const watch = this.verify('Does it stay OK', true, {
      recovered: this.closing('Cleared by itself', 'it was over before anything was done', 'recovered'),
      stopped: this.stopped(),
      otherwise: loop,
      notRecovered: this.handingOver(),
    });
    over.next(watch);
    return describe;
  }

  /** Where CloudWatch does not say, it counts as being in ALARM. */
  private ifInAlarm(name: string, firing: State, over: State): CustomState {
    const describe = task(this, name, {
      resource: 'aws-sdk:cloudwatch:describeAlarms',
      parameters: { 'AlarmNames.$': 'States.Array($.alarm)', StateValue: 'ALARM' },
      resultSelector: { 'names.$': '$.MetricAlarms[*].AlarmName' },
      resultPath: '$.firing',
    });
    describe.addCatch(firing, { errors: [Errors.ALL], resultPath: '$.ignored' });
    describe.next(
      new Choice(this, `${name}: answer`).when(Condition.isPresent('$.firing.names[0]'), firing).otherwise(over),
    );
    return describe;
  }

  /** Playbooks in order, each as often as it is tried. @param over where the alarm is over before one is run */
  private attempts(over: Pass): CustomState {
    const { operations } = this.props;
    const handOver = this.handingOver();
    const stopped = this.stopped();
    const position = this.writes.change(this, 'Remember how far it is', {
      set: { position: { 'N.$': "States.Format('{}', $.position)" } },
    });
    const asked = askWhetherToStop(this, 'Is it to be stopped', operations);
    const off = this.writes.note(this, 'Nothing is done', 'decision', 'the switch is off: nothing is done by itself');
    const attempt = new Pass(this, 'Next attempt', {
      parameters: { 'next.$': 'States.ArrayGetItem($.plan.attempts, $.position)' },
      resultPath: '$.attempt',
    });
    const forward = new Pass(this, 'Go on', {
      parameters: { 'position.$': 'States.MathAdd($.position, 1)' },
      resultPath: '$.moved',
    });
    const moved = new Pass(this, 'To the next attempt', { inputPath: '$.moved.position', resultPath: '$.position' });
    forward.next(moved);
    moved.next(position);
    inAnyCase(position, asked);
    const step = this.approving(this.locking(forward), handOver, over);
    inAnyCase(
      asked,
      new Choice(this, 'Is there another attempt')
        .when(isToStop, stopped)
        .when(Condition.stringEquals('$.mode.value', 'off'), inAnyCase(off, handOver))
        .when(Condition.numberLessThanJsonPath('$.position', '$.plan.attemptCount'), attempt)
        .otherwise(handOver),
    );
    attempt.next(step);
    return asked;
  }

  /** An answer can take half an hour, in which the alarm can end. */
  private approving(approved: CustomState, handOver: CustomState, over: Pass): Choice {
    const { command, operations } = this.props;
    const wait = task(this, 'Wait for approval', {
      resource: 'aws-sdk:dynamodb:updateItem.waitForTaskToken',
      comment: 'npm run incident -- approve|reject; no answer is a no',
      parameters: {
        TableName: operations.tableName,
        Key: { record: { 'S.$': "States.Format('incident#{}', $.id)" } },
        UpdateExpression: 'SET #approval = :approval',
        ExpressionAttributeNames: { '#approval': 'approval' },
        ExpressionAttributeValues: {
          ':approval': {
            M: {
              token: { 'S.$': '$$.Task.Token' },
              playbook: { 'S.$': '$.attempt.next.says' },
              askedAt: { 'S.$': '$$.State.EnteredTime' },
            },
          },
        },
      },
      resultPath: '$.answer',
      timeoutSeconds: approvalSeconds,
      retried: false,
    });
    const page = this.page(
      'Ask for approval',
      format('{}: approve?', '$.plan.subject'),
      format(
        `{} wants to run {}.\n${command} approve {}\n${command} reject {}\nNo answer in 30 minutes is a no. Runbook: {}`,
        '$.id',
        '$.attempt.next.says',
        '$.id',
        '$.id',
        '$.plan.link',
      ),
      wait,
    );
    const yes = this.writes.note(
      this,
      'Write the yes',
      'person',
      format('{} approved {}', '$.answer.by', '$.attempt.next.says'),
      {
        remove: ['approval'],
      },
    );
    const no = this.writes.note(
      this,
      'Write the no',
      'person',
      format('{} rejected {}', '$.answer.by', '$.attempt.next.says'),
      {
        remove: ['approval'],
      },
    );
    const silence = this.writes.note(
      this,
      'Write that nobody answered',
      'decision',
      format('nobody approved {}: {}', '$.attempt.next.says', '$.answer.Error'),
      { remove: ['approval'] },
    );
    const after = {
      yes: this.ifInAlarm('Is it in ALARM after the yes', approved, over),
      silence: this.ifInAlarm('Is it in ALARM after the silence', handOver, over),
      no: askWhetherToStop(this, 'Was the no a stop', operations),
    };
    inAnyCase(after.no, new Choice(this, 'No or stop').when(isToStop, this.stopped()).otherwise(handOver));
    wait.addCatch(inAnyCase(silence, after.silence), { errors: [Errors.ALL], resultPath: '$.answer' });
    wait.next(
      new Choice(this, 'Is it approved')
        .when(
          Condition.and(Condition.isPresent('$.answer.approved'), Condition.booleanEquals('$.answer.approved', true)),
          inAnyCase(yes, after.yes),
        )
        .otherwise(inAnyCase(no, after.no)),
    );
    return new Choice(this, 'Is a person asked first')
      .when(
        Condition.and(
          Condition.stringEquals('$.mode.value', 'approval'),
          Condition.numberEquals('$.attempt.next.try', 1),
        ),
        page,
      )
      .otherwise(approved);
  }

  /** Two alarms with one cause run a playbook once: the other one waits for its verification. */
  private locking(forward: Pass): CustomState {
    const lock = this.ask(
      'Lock the playbook',
      'lock',
      {
        ...{ 'playbook.$': '$.attempt.next.playbook', 'incident.$': '$.id', 'execution.$': '$$.Execution.Id' },
        'cooldownSeconds.$': '$.plan.cooldownSeconds',
      },
      '$.lock',
      ['verdict', 'says'],
    );
    const failed = this.writes.note(
      this,
      'Write that it cannot be locked',
      'failure',
      format('left out: {} cannot be locked: {}', '$.attempt.next.says', '$.lock.Error'),
    );
    const leftOut = this.writes.note(this, 'Write that it is left out', 'decision', '$.lock.says');
    const awaited = this.writes.note(this, 'Write that it is awaited', 'decision', '$.lock.says');
    const after = this.measuringAfter(forward);
    const verifyAwaited = this.verify('Await the other one', false, {
      recovered: after.recovered,
      stopped: this.stopped(),
      otherwise: forward,
      notRecovered: forward,
    });
    inAnyCase(failed, forward);
    inAnyCase(leftOut, forward);
    inAnyCase(awaited, verifyAwaited);
    lock.addCatch(failed, { errors: [Errors.ALL], resultPath: '$.lock' });
    lock.next(
      new Choice(this, 'Is it ours')
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
    const begun = this.writes.note(this, 'Write what is run', 'action', format('runs {}', '$.attempt.next.says'));
    const named = new Pass(this, 'Name its execution', {
      parameters: { 'name.$': 'States.UUID()' },
      resultPath: '$.run',
    });
    const run = task(this, 'Run the playbook', {
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
    const giveBack = task(this, 'Give back what it may have begun', {
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
    const failed = this.writes.note(
      this,
      'Write that the playbook failed',
      'failure',
      format('{} failed: {}', '$.attempt.next.says', why),
    );
    const unlockFailed = this.unlock('Free the failed playbook');
    const told = this.page(
      'Tell that the playbook failed',
      format('{}: playbook failed', '$.plan.subject'),
      format(
        'Incident {}: {} failed: {}\nWhat it may have changed is given back, and what comes next is tried. Runbook: {}',
        '$.id',
        '$.attempt.next.says',
        why,
        '$.plan.link',
      ),
      unlockFailed,
    );
    const done = this.writes.note(this, 'Write what was done', 'action', '$.ran.output.summary');
    const remembered = this.writes.note(
      this,
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
    const change = new Pass(this, 'Take the change', {
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
    const two = new Pass(this, 'It is undone first', {
      parameters: { 'lists.$': 'States.Array($.mine.pending, $.undo)' },
      resultPath: '$.pending',
    });
    const merged = new Pass(this, 'Then what was before', {
      parameters: { 'all.$': '$.pending.lists[*][*]' },
      resultPath: '$.pending',
    });
    const kept = new Pass(this, 'What is to be undone', { inputPath: '$.pending.all', resultPath: '$.undo' });
    const verify = this.verify('Verify', false, {
      recovered: this.unlockThen('Free the playbook that helped', after.recovered),
      stopped: this.unlockThen('Free the stopped playbook', this.stopped()),
      otherwise: this.unlockThen('Free the playbook', after.notRecovered),
    });
    named.next(run);
    inAnyCase(begun, named);
    run.addCatch(giveBack, { errors: [Errors.ALL], resultPath: '$.ran' });
    inAnyCase(giveBack, whyItFailed(this, 'Why did the playbook fail', '$.ran', failed));
    inAnyCase(failed, told);
    inAnyCase(unlockFailed, forward);
    run.next(
      new Choice(this, 'Is there something to undo')
        .when(
          Condition.and(
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
      recovered: this.measuring(
        'after',
        this.closing('Recovered', 'the alarm and every recovery alarm have been OK for three periods', 'recovered'),
      ),
      notRecovered: this.measuring('after, not recovered', forward),
    };
  }

  private readonly ends = new Map<string, CustomState>();

  private stopped(): CustomState {
    return this.closing('Stopped by a person', 'a person ended the automation; what it changed is undone', 'stopped');
  }

  private closing(name: string, says: string, ending: 'recovered' | 'stopped'): CustomState {
    const made = this.ends.get(name);
    if (made) return made;
    const close = task(this, name, {
      resource: 'states:startExecution.sync:2',
      comment: 'Undoes what was changed, and tells who was paged',
      parameters: {
        StateMachineArn: this.props.closure,
        Input: {
          ...{ 'id.$': '$.id', 'alarm.$': '$.alarm', 'topic.$': '$.plan.topic', 'undo.$': '$.undo' },
          ...{ ending, says },
        },
      },
    });
    close.next(this.finish(`Over: ${name}`));
    this.ends.set(name, close);
    return close;
  }

  /** Nothing automatic is left: people go on, and the reconciler closes the incident when all is well. */
  private handingOver(): CustomState {
    const made = this.ends.get('hand over');
    if (made) return made;
    const { command } = this.props;
    const noted = this.writes.note(
      this,
      'Write that people are needed',
      'decision',
      'nothing automatic is left; people have it now',
      {
        set: { status: { S: 'escalated' } },
      },
    );
    const told = this.page(
      'Hand over',
      format('{}: over to you', '$.plan.subject'),
      format(
        `Incident {} is not over, and nothing automatic is left: {}\nWhat was changed stays until it is over, or: ${command} stop {}\nRunbook: {}`,
        '$.id',
        '$.mode.says',
        '$.id',
        '$.plan.link',
      ),
      this.finish('Handed over'),
    );
    inAnyCase(noted, told);
    this.ends.set('hand over', noted);
    return noted;
  }

  private verify(
    name: string,
    endsOnAlarm: boolean,
    next: {
      readonly recovered: CustomState;
      readonly stopped: CustomState;
      readonly otherwise: CustomState | Pass;
      readonly notRecovered?: CustomState | Pass;
    },
  ): CustomState {
    const run = task(this, name, {
      resource: 'states:startExecution.sync:2',
      parameters: {
        StateMachineArn: this.props.verification,
        Input: { 'id.$': '$.id', 'alarm.$': '$.alarm', 'plan.$': '$.plan', endsOnAlarm },
      },
      resultSelector: { 'verdict.$': '$.Output.verdict' },
      resultPath: '$.verified',
      retried: false,
    });
    run.addCatch(next.otherwise, { errors: [Errors.ALL], resultPath: '$.ignored' });
    run.next(
      new Choice(this, `${name}: verdict`)
        .when(Condition.stringEquals('$.verified.verdict', 'recovered'), next.recovered)
        .when(Condition.stringEquals('$.verified.verdict', 'stopped'), next.stopped)
        .when(Condition.stringEquals('$.verified.verdict', 'not recovered'), next.notRecovered ?? next.otherwise)
        .otherwise(next.otherwise),
    );
    return run;
  }

  private unlock(name: string): CustomState {
    return task(this, name, {
      resource: 'dynamodb:updateItem',
      parameters: {
        TableName: this.props.operations.tableName,
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

  private measuring(when: string, next: CustomState | Pass): CustomState {
    const measure = this.ask(`Measure ${when}`, 'measure', { 'incident.$': '$.id', 'alarms.$': '$.plan.alarms', when });
    return inAnyCase(measure, next);
  }

  /** Goes on where nobody could be told, and remembers it: the execution fails at its end, which raises an alarm. */
  private page(name: string, subject: Text, message: Text, next: State): CustomState {
    const state = publish(this, name, { topic: '$.plan.topic', subject, message });
    state.addCatch(next, { errors: [Errors.ALL], resultPath: '$.unpaged' });
    state.next(next);
    return state;
  }

  private readonly notPaged = new Fail(this, 'Somebody was not told', {
    error: 'NotPaged',
    causePath: '$.unpaged.Cause',
  });

  private finish(name: string): Choice {
    return new Choice(this, `${name}?`, { comment: 'Fails where a page did not go out' })
      .when(Condition.isPresent('$.unpaged'), this.notPaged)
      .otherwise(new Succeed(this, name));
  }

  private ask(
    name: string,
    mode: 'open' | 'lock' | 'measure',
    payload: object,
    resultPath?: string,
    fields: readonly string[] = [],
  ): CustomState {
    return task(this, name, {
      resource: 'lambda:invoke',
      parameters: {
        FunctionName: this.props.functionArn,
        Payload: { mode, ...payload, 'now.$': '$$.State.EnteredTime' },
      },
      ...(resultPath !== undefined && {
        resultSelector: Object.fromEntries(fields.map(field => [`${field}.$`, `$.Payload.${field}`])),
        resultPath,
      }),
    });
  }
}
