import { Choice, Condition, Fail, Map as MapState, Pass, type State } from 'aws-cdk-lib/aws-stepfunctions';
import { playbooks } from '../../runbook/playbooks.ts';
import { format } from '../states.ts';
import type { Playbook, PlaybookStates } from './playbook.ts';

/** "Lambda quotas": 15 control plane requests a second, of all callers together. */
const atOnce = 3;

/**
 * Sets the aliases of all functions that the last deployment changed back to the versions before, or none of them: where
 * one cannot be set back, those that were are put forward again.
 * @param planArn of the function that says what is to be set back
 * @param functionArns of all functions whose alias may be moved
 */
export function rollbackRelease(playbook: Playbook, planArn: string, functionArns: readonly string[]): PlaybookStates {
  const { parameter } = playbooks['rollback-release'];
  const planning = (id: string, next: State): State => {
    const plan = playbook.task(id, {
      resource: 'lambda:invoke',
      parameters: {
        FunctionName: planArn,
        Payload: { 'withinSeconds.$': '$.parameters.withinSeconds', 'now.$': '$$.State.EnteredTime' },
      },
      resultSelector: { 'plan.$': '$.Payload' },
      resultPath: '$.made',
      timeoutSeconds: 60,
    });
    plan.next(next);
    return plan;
  };
  const none = playbook.answer('No release to take back', { changed: false, summary: '$.made.plan.summary' });
  const done = playbook.answer('Done', {
    changed: true,
    summary: '$.made.plan.summary',
    change: { 'aliases.$': '$.moved' },
    report: { 'aliases.$': '$.moved' },
  });

  const putForward = moveAliases(playbook, 'Put forward again', '$.moved', {
    to: 'from',
    onlyMoved: true,
  });
  const cause = new Pass(playbook, 'What was not set back', {
    parameters: {
      'text.$': 'States.JsonToString($.moved[*].problem.Cause)',
      'again.$': 'States.JsonToString($.put[*].problem.Cause)',
    },
    resultPath: '$.told',
  });
  cause.next(
    new Fail(playbook, 'Not set back', {
      error: 'RollbackFailed',
      causePath: format(
        'rollback-release: not every function could be set back: {}; so those that were are put forward again, all but: {}',
        '$.told.text',
        '$.told.again',
      ),
    }),
  );
  const forward = putForward('$.put');
  forward.next(cause);

  const back = moveAliases(playbook, 'Set back', '$.made.plan.changes', { to: 'to', onlyMoved: false })('$.moved');
  const all = allMoved(playbook, 'Were all set back', '$.moved', done, forward);
  back.next(all);
  const run = planning(
    'Plan the rollback',
    new Choice(playbook, 'Is it needed')
      .when(Condition.booleanEquals('$.made.plan.needed', true), back)
      .otherwise(none),
  );

  const undone = moveAliases(playbook, 'Undo: put forward', '$.undo.aliases', {
    to: 'from',
    onlyMoved: true,
  })('$.moved');
  undone.next(
    allMoved(
      playbook,
      'Were all put forward',
      '$.moved',
      playbook.answer('Given back', {
        changed: true,
        summary: 'the functions are at the versions from before the rollback again',
        report: { 'aliases.$': '$.moved' },
      }),
      playbook.answer('Changed since', {
        changed: false,
        summary: 'not every alias was put forward: somebody has moved one since; the report tells which',
        report: { 'aliases.$': '$.moved' },
      }),
    ),
  );

  return {
    start: playbook.begin({
      run: playbook.bounded(parameter.name, parameter, run),
      dryRun: planning(
        'Plan a rollback',
        playbook.answer('Say what would be set back', {
          changed: false,
          summary: format('dry run: {}', '$.made.plan.summary'),
          report: { 'plan.$': '$.made.plan' },
        }),
      ),
      undo: new Choice(playbook, 'Is it known what was moved')
        .when(Condition.isPresent('$.undo.aliases'), undone)
        .otherwise(
          playbook.answer('Nothing was told', {
            changed: false,
            summary: 'rollback-release told of no alias that it moved; whether it was cut off, its execution tells',
          }),
        ),
    }),
    allow: permissions => permissions.invoke(planArn).updateAliases(functionArns),
  };
}

/** Goes to `reached` if every item of a list of moves was moved. */
function allMoved(playbook: Playbook, id: string, moves: string, reached: State, otherwise: State): State {
  const look = new Pass(playbook, `${id}: look`, {
    parameters: { 'missed.$': `States.ArrayContains(${moves}[*].changed, false)` },
    resultPath: '$.looked',
  });
  look.next(
    new Choice(playbook, id).when(Condition.booleanEquals('$.looked.missed', false), reached).otherwise(otherwise),
  );
  return look;
}

interface Move {
  /** The member of an item that holds the version the alias is moved to. */
  readonly to: 'from' | 'to';
  /** Leaves alone what was not moved before. */
  readonly onlyMoved: boolean;
}

/**
 * Moves the alias of each item, only if nobody has moved it since its `revisionId`. The result is a list of the items with
 * `changed` and the alias's new `revisionId`, or what failed.
 */
function moveAliases(playbook: Playbook, name: string, items: string, { to, onlyMoved }: Move) {
  return (resultPath: string): MapState => {
    const versions = { 'from.$': '$.from', 'to.$': '$.to' };
    const item = { 'functionName.$': '$.functionName', 'alias.$': '$.alias', ...versions };
    const kept = new Pass(playbook, `${name}: not moved`, {
      parameters: { ...item, changed: false, 'revisionId.$': '$.revisionId', 'problem.$': '$.failure' },
    });
    const move = playbook.task(
      `${name}: move an alias`,
      {
        resource: 'aws-sdk:lambda:updateAlias',
        parameters: {
          'FunctionName.$': '$.functionName',
          'Name.$': '$.alias',
          'FunctionVersion.$': `$.${to}`,
          'RevisionId.$': '$.revisionId',
        },
        resultSelector: { 'revisionId.$': '$.RevisionId' },
        resultPath: '$.moved',
        timeoutSeconds: 30,
      },
      { 'States.ALL': kept },
    );
    move.next(
      new Pass(playbook, `${name}: moved`, {
        parameters: { ...item, changed: true, 'revisionId.$': '$.moved.revisionId' },
      }),
    );
    const map = new MapState(playbook, name, { itemsPath: items, maxConcurrency: atOnce, resultPath });
    if (!onlyMoved) return map.itemProcessor(move);
    return map.itemProcessor(
      new Choice(playbook, `${name}: was it moved`).when(Condition.booleanEquals('$.changed', true), move).otherwise(
        new Pass(playbook, `${name}: leave it`, {
          parameters: { ...item, changed: false, 'revisionId.$': '$.revisionId' },
        }),
      ),
    );
  };
}
