import type { Playbook, PlaybookStates } from './playbook.ts';

/** Finds out who is affected and what is short; a dry run is the same, since it changes nothing. */
export function diagnose(playbook: Playbook, diagnoseArn: string): PlaybookStates {
  const look = playbook.task('Look at everything', {
    resource: 'lambda:invoke',
    parameters: { FunctionName: diagnoseArn, Payload: { 'now.$': '$$.State.EnteredTime' } },
    resultSelector: {
      'sentences.$': '$.Payload.sentences',
      'diagnosis.$': '$.Payload.diagnosis',
      'inOne.$': '$.Payload.inOne',
    },
    resultPath: '$.found',
    timeoutSeconds: 70,
  });
  look.next(
    playbook.answer('Tell what was found', {
      changed: false,
      summary: '$.found.inOne',
      report: { 'sentences.$': '$.found.sentences', 'diagnosis.$': '$.found.diagnosis' },
    }),
  );
  return {
    start: playbook.begin({ run: look, dryRun: look, undo: playbook.nothingToUndo() }),
    allow: permissions => permissions.invoke(diagnoseArn),
  };
}
