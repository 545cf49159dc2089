/**
 * Where the local services ask whether something goes wrong: what each tells of what it is about to do, and what can
 * happen to it. A service depends on this file alone, a fault of the catalogue on one of its points.
 */
export interface Points {
  /** An invocation of a function. */
  readonly invocation: {
    readonly subject: { readonly functionName: string; readonly version: string };
    readonly effect: InvocationEffect;
  };
  /** A signed request to one of AWS's APIs. */
  readonly request: { readonly subject: RequestSubject; readonly effect: RequestEffect };
  /** A connection that a caller keeps open to one of AWS's APIs, with the host it ends at. */
  readonly host: {
    readonly subject: {
      /** Signing name of what it was last used for, e.g. `dynamodb`. */
      readonly service: string;
      /** The function that holds it; undefined of any other caller. */
      readonly functionName: string | undefined;
    };
    readonly effect: RequestEffect;
  };
  /** A written item on its way to what eventually consistent reads and indexes show. */
  readonly replication: {
    readonly subject: { readonly table: string };
    /** How long the write takes to show, milliseconds. */
    readonly effect: { readonly lagMs: number };
  };
  /** A receive of messages, by the API or an event source mapping. */
  readonly receive: { readonly subject: { readonly queue: string }; readonly effect: { readonly delayMs: number } };
  /** A message that is handed out. */
  readonly visibility: {
    readonly subject: { readonly queue: string };
    /** How long it is hidden from other receives in place of the visibility timeout, milliseconds. */
    readonly effect: { readonly hiddenMs: number };
  };
  /** A call of @connections. */
  readonly callback: {
    readonly subject: {
      readonly method: string;
      readonly connectionId: string;
      /** Epoch milliseconds; undefined where it is not open. */
      readonly connectedAt: number | undefined;
    };
    /** `lost`: answered as if it were done. */
    readonly effect: RequestEffect & { readonly lost?: true };
  };
  /** An open connection. */
  readonly socket: { readonly subject: { readonly connectionId: string }; readonly effect: SocketEffect };
  /** The event of a connection that ended. */
  readonly disconnect: {
    readonly subject: { readonly connectionId: string };
    readonly effect: { readonly lost: true };
  };
  /** A request for the token issuer's keys. */
  readonly keys: { readonly subject: object; readonly effect: RequestEffect & { readonly otherKeys?: true } };
  /** An event on its way from the bus to the rules. */
  readonly event: {
    readonly subject: { readonly source: string; readonly detailType: string };
    readonly effect: { readonly lost?: true; readonly twice?: true; readonly delayMs?: number };
  };
}

export type Point = keyof Points;
export type Subject<P extends Point> = Points[P]['subject'];
export type Effect<P extends Point> = Points[P]['effect'];

/** What the function's thread does before, or in place of, the handler's work. Sent to the thread, so plain data. */
export interface InvocationEffect {
  readonly delayMs?: number;
  readonly error?: { readonly errorType: string; readonly errorMessage: string };
  /** The thread ends once that many of the invocation's calls were answered; 0: at once. */
  readonly crashAfterCalls?: number;
  /** No environment that is idle is used again. */
  readonly cold?: true;
}

export interface RequestSubject {
  /** Signing name, e.g. `dynamodb`. */
  readonly service: string;
  /** Operation, e.g. `PutItem`. */
  readonly operation: string;
  /** Names of the tables, queues or the like that the request is about. */
  readonly resources: readonly string[];
}

export interface RequestEffect {
  readonly delayMs?: number;
  /** `cut`: the connection is closed; `silence`: no answer until the fault ends, and then the connection is closed. */
  readonly answer?: { readonly code: string; readonly message: string; readonly status: number } | 'cut' | 'silence';
}

export interface SocketEffect {
  /** The connection is closed without a close frame. */
  readonly killed?: true;
  /** Nothing gets through in either direction, and neither side is told. */
  readonly halfOpen?: true;
  /** The client takes what was sent to it only every so often, milliseconds. */
  readonly readsEveryMs?: number;
}

/** `ended` is aborted when a fault that takes part in the effect ends: what waits because of it then goes on. */
export type Drawn<P extends Point> = Effect<P> & { readonly ended: AbortSignal };

/** What a local service knows of faults. */
export interface FaultSource {
  /** What goes wrong now; undefined where nothing does. `subject` is asked only where there is a fault at the point. */
  draw<P extends Point>(point: P, subject: () => Subject<P>): Drawn<P> | undefined;
  /**
   * Calls back when a fault is to happen to all that is there; the listener draws for each.
   * @returns ends it
   */
  onSweep<P extends Point>(point: P, listener: (draw: Draw<P>) => void): () => void;
}

/** Whether the fault that sweeps happens to this one. */
export type Draw<P extends Point> = (subject: Subject<P>) => Drawn<P> | undefined;

export const noFaults: FaultSource = { draw: () => undefined, onSweep: () => () => {} };
