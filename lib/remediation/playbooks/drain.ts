import { Duration } from 'aws-cdk-lib';
import { Errors, Parallel, type State, Wait, WaitTime } from 'aws-cdk-lib/aws-stepfunctions';
import { drainTimeline } from '../../realtime/drain-timeline.ts';
import type { StoreTable } from '../permissions.ts';
import { type AttributeValue, format, inAnyCase, task } from '../states.ts';
import { conditionFailed, controlUpdate, forIncident, incidentPath, readThenSay } from './control-change.ts';
import type { Playbook, PlaybookStates } from './playbook.ts';
import { readClock } from './read-clock.ts';
import { sweepPages } from './sweep-pages.ts';

export interface DrainProps {
  readonly table: StoreTable;
  readonly sweepArn: string;
  readonly clockArn: string;
  /** Over which clients leave by themselves. */
  readonly windowSeconds: number;
}

const names = {
  '#drain': 'drain',
  '#owner': 'drainOwner',
  '#incident': 'drainIncident',
  '#admission': 'admission',
  '#before': 'admissionBefore',
};

/**
 * Has all clients leave and come back, on chat-backend's shutdown sequence. It ends what it began, also where it fails;
 * where it was stopped, `undo` with its ARN as `owner` does, and so does another drain for the same incident.
 */
export function drain(playbook: Playbook, { table, sweepArn, clockArn, windowSeconds }: DrainProps): PlaybookStates {
  const at = drainTimeline(windowSeconds);
  const wait = (id: string, seconds: number, next?: State): Wait => {
    const state = new Wait(playbook, id, { time: WaitTime.duration(Duration.seconds(seconds)) });
    if (next) state.next(next);
    return state;
  };
  const update = (
    id: string,
    change: readonly [expression: string, condition: string, values: Readonly<Record<string, AttributeValue>>],
    caught: Readonly<Record<string, State>>,
  ) =>
    playbook.task(
      id,
      { resource: 'dynamodb:updateItem', parameters: controlUpdate(table, change[0], change[1], names, change[2]) },
      caught,
    );
  const mine = { ':owner': { 'S.$': '$$.Execution.Id' } };
  const end = (owner: Readonly<Record<string, AttributeValue>>) =>
    [
      'SET #admission = #before REMOVE #drain, #owner, #incident, #before',
      '#owner = :owner AND attribute_exists(#before)',
      owner,
    ] as const;
  const endUnclosed = (owner: Readonly<Record<string, AttributeValue>>) =>
    ['REMOVE #drain, #owner, #incident', '#owner = :owner AND attribute_not_exists(#before)', owner] as const;

  const done = playbook.answer('Done', {
    changed: true,
    summary: format(
      'drained: {} clients were told to leave, {} that stayed were closed, new ones are admitted again',
      '$.notices[0].totals.notified',
      '$.leftovers.totals.closed',
    ),
    report: { 'notices.$': '$.notices[0].totals', 'leftovers.$': '$.leftovers.totals' },
  });
  const lost = playbook.answer('Ended by somebody else', {
    changed: true,
    summary: 'drained; somebody else has ended the drain meanwhile',
  });
  const reopen = update('Admit new connections again', end(mine), { [conditionFailed]: lost });
  reopen.next(done);

  // Whatever fails on the way: the doors must not stay shut, and the execution tells what failed first.
  const putBack = (id: string, [expression, condition, values]: ReturnType<typeof end | typeof endUnclosed>) =>
    inAnyCase(
      task(playbook, id, {
        resource: 'dynamodb:updateItem',
        parameters: controlUpdate(table, expression, condition, names, values),
      }),
      playbook.failed,
    );
  const opened = putBack('Put back', end(mine));
  const unflagged = putBack('Put back the flag', endUnclosed(mine));

  const leftovers = sweepPages(playbook, {
    name: 'Leftovers',
    request: { mode: 'drain' },
    sweepArn,
    path: '$.leftovers',
    failed: opened,
    next: wait('Until the end', at.done - at.leftovers, reopen),
  });
  const leave = new Parallel(playbook, 'Clients leave', { resultPath: '$.notices' });
  leave.branch(
    sweepPages(playbook, {
      name: 'Notices',
      request: { mode: 'notify', notice: 'server_shutdown', windowSeconds },
      sweepArn,
      path: '$',
      failed: 'outside',
    }),
  );
  leave.branch(wait('The window', at.leftovers - at.notice));
  leave.addCatch(opened, { errors: [Errors.ALL], resultPath: '$.failure' });
  leave.next(leftovers);

  const close = update(
    'Close admission',
    [
      'SET #before = if_not_exists(#before, if_not_exists(#admission, :open)), #admission = :closed',
      '#owner = :owner',
      { ...mine, ':open': { S: 'open' }, ':closed': { S: 'closed' } },
    ],
    { [Errors.ALL]: unflagged },
  );
  close.next(wait('Until the notice', at.notice - at.admissionClosed, leave));
  const already = playbook.answer('One is under way', {
    changed: false,
    summary: 'a drain is under way already',
  });
  const flag = update(
    'Set the flag',
    [
      'SET #drain = :drain, #owner = :owner, #incident = :incident',
      '(attribute_not_exists(#owner) AND (attribute_not_exists(#drain) OR attribute_type(#drain, :null))) OR #owner = :owner OR #incident = :incident',
      {
        ...mine,
        ':incident': { 'S.$': incidentPath },
        ':null': { S: 'NULL' },
        ':drain': {
          M: {
            startedAt: { 'N.$': "States.Format('{}', $.clock.epochMilliseconds)" },
            windowSeconds: { N: String(windowSeconds) },
            reason: { 'S.$': '$$.Execution.Name' },
          },
        },
      },
    ],
    { [conditionFailed]: already },
  );
  flag.next(wait('Until admission closes', at.admissionClosed - at.flag, close));

  const ended = playbook.answer('Given back', {
    changed: true,
    summary: 'the drain is ended, new connections are admitted',
  });
  const byUndo = { ':owner': { 'S.$': '$.undo.owner' } };
  const endFlag = update('End the drain before its doors were shut', endUnclosed(byUndo), {
    [conditionFailed]: playbook.answer('Changed since', { changed: false, summary: 'this drain has ended already' }),
  });
  endFlag.next(ended);
  const undo = update('End the drain', end(byUndo), { [conditionFailed]: endFlag });
  undo.next(ended);

  return {
    start: playbook.begin({
      run: wait('Until the flag', at.flag, readClock(playbook, clockArn, forIncident(playbook, flag))),
      dryRun: readThenSay(
        playbook,
        table,
        ['drain', 'admission'],
        `admission would be closed for ${at.done - at.admissionClosed} s, all clients told to leave within ${windowSeconds} s, and who stays closed`,
      ),
      undo,
    }),
    allow: permissions => permissions.table(table, 'GetItem', 'UpdateItem').invoke(sweepArn).invoke(clockArn),
  };
}
