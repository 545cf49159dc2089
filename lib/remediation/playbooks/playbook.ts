import {
  Choice,
  Condition,
  type CustomState,
  Errors,
  Fail,
  type IChainable,
  Pass,
  type State,
} from 'aws-cdk-lib/aws-stepfunctions';
import { Construct } from 'constructs';
import type { PlaybookName } from '../../runbook/playbooks.ts';
import type { MachinePermissions } from '../permissions.ts';
import { format, type TaskProps, type Text, task, texts } from '../states.ts';

/** What a playbook's state machine is made of. */
export interface PlaybookStates {
  readonly start: IChainable;
  /** What its role may do, and nothing else. */
  readonly allow: (permissions: MachinePermissions) => void;
}

/** What a playbook answers. */
export interface Answer {
  /** A fixed truth, or the path to one. */
  readonly changed: boolean | string;
  /** In words, for incident and page. */
  readonly summary: Text;
  /** What gives it back when it is handed in as `undo`. */
  readonly change?: object;
  readonly report?: object;
}

/** What fails for a moment and is asked again; a condition that does not hold is no failure. */
const notAgain = ['DynamoDB.ConditionalCheckFailedException', 'Lambda.PreconditionFailedException'];

/**
 * What all playbooks have in common: input `{incident, alarm, parameters, dryRun, undo?}`, output
 * `{playbook, changed, summary, change?, report?}`; what cannot be done fails the execution, with the cause in words.
 */
export class Playbook extends Construct {
  readonly playbook: PlaybookName;
  readonly failed: Fail;

  constructor(scope: Construct, playbook: PlaybookName) {
    super(scope, playbook);
    this.playbook = playbook;
    this.failed = new Fail(this, 'Not done', {
      errorPath: '$.failure.Error',
      causePath: format(`${playbook}: {}`, '$.failure.Cause'),
    });
  }

  /** Where a playbook begins: what is asked of it? */
  begin(asked: {
    readonly run: State;
    readonly dryRun: State;
    readonly undo: State;
    readonly dryUndo?: State;
  }): Choice {
    const dry = Condition.and(Condition.isPresent('$.dryRun'), Condition.booleanEquals('$.dryRun', true));
    const undo = Condition.isPresent('$.undo');
    const dryUndo =
      asked.dryUndo ??
      this.answer('Say that it would be given back', {
        changed: false,
        summary: 'dry run: what was changed would be given back, where nobody has changed it since',
      });
    return new Choice(this, 'What is asked')
      .when(Condition.and(undo, dry), dryUndo)
      .when(undo, asked.undo)
      .when(dry, asked.dryRun)
      .otherwise(asked.run);
  }

  /**
   * A task that is tried again, and whose failure ends the execution unless something else is caught first.
   * @param caught by name of the error; `outside`: by the state that this is in a branch of
   */
  task(id: string, props: TaskProps, caught: Readonly<Record<string, State>> | 'outside' = {}): CustomState {
    const state = task(this, id, { ...props, retried: false });
    state.addRetry({ errors: notAgain, maxAttempts: 0 });
    state.addRetry({ errors: [Errors.ALL], maxAttempts: 2 });
    if (caught === 'outside') return state;
    for (const [error, next] of Object.entries(caught))
      state.addCatch(next, { errors: [error], resultPath: '$.failure' });
    if (!(Errors.ALL in caught)) state.addCatch(this.failed, { errors: [Errors.ALL], resultPath: '$.failure' });
    return state;
  }

  /** Ends with an answer. */
  answer(id: string, { changed, summary, change, report }: Answer): Pass {
    return new Pass(this, id, {
      parameters: {
        playbook: this.playbook,
        ...(typeof changed === 'string' ? { 'changed.$': changed } : { changed }),
        ...texts({ summary }),
        ...(change && { change }),
        ...(report && { report }),
      },
    });
  }

  /** For what leaves nothing behind that could be given back. */
  nothingToUndo(): Pass {
    return this.answer('Nothing to give back', {
      changed: false,
      summary: `${this.playbook} leaves nothing behind that could be given back`,
    });
  }

  /** Ends with a failure unless `$.parameters.<name>` is a number from `minimum` to `maximum`. */
  bounded(
    name: string,
    { minimum, maximum }: { readonly minimum: number; readonly maximum: number },
    next: State,
  ): Choice {
    const path = `$.parameters.${name}`;
    return new Choice(this, `Is ${name} within its bounds`)
      .when(
        Condition.and(
          Condition.isPresent(path),
          Condition.isNumeric(path),
          Condition.numberGreaterThanEquals(path, minimum),
          Condition.numberLessThanEquals(path, maximum),
        ),
        next,
      )
      .otherwise(
        new Fail(this, `${name} out of bounds`, {
          error: 'InvalidParameters',
          cause: `${this.playbook}: ${name} must be a number from ${minimum} to ${maximum}`,
        }),
      );
  }
}
