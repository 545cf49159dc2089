import type { IncomingHttpHeaders } from 'node:http';

/** Who makes a call: a role that a function or schedule assumed, the developer, or an AWS service by itself. */
export type Principal =
  | { readonly kind: 'role' | 'user'; readonly arn: string }
  | { readonly kind: 'service'; readonly service: string; readonly sourceArn?: string };

/** A call to an AWS API endpoint whose signature was verified. */
export interface AwsCall {
  readonly principal: Principal;
  /** Signing name, e.g. `sqs`, `dynamodb`. */
  readonly service: string;
  readonly method: string;
  /** Path with query string, as received. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface AwsReply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string | Buffer;
}

/** One AWS service behind the local endpoint. */
export interface AwsService {
  /** It asks for the faults of requests by itself; for others the endpoint does. */
  readonly drawsFaults?: true;
  handle(call: AwsCall): Promise<AwsReply>;
}

/** An error as AWS answers it: `code` is what the SDK shows as the error's name. */
export class AwsError extends Error {
  readonly code: string;
  readonly status: number;
  constructor(code: string, message: string, status = 400) {
    super(message);
    this.name = code;
    this.code = code;
    this.status = status;
  }
}

export interface PolicyDocument {
  readonly Version?: string;
  readonly Statement: readonly unknown[];
}

export interface AuthorizationRequest {
  readonly principal: Principal;
  /** e.g. `sqs:SendMessage` */
  readonly action: string;
  /** ARN of the resource, or `*`. */
  readonly resource: string;
  /** The policy of the resource itself (queue, topic, function permissions), where it has one. */
  readonly resourcePolicy?: PolicyDocument;
  /** Condition keys, e.g. `aws:SourceArn`; those of a service principal's source are added by the evaluation. */
  readonly context?: Readonly<Record<string, string | readonly string[]>>;
}

export interface Authorization {
  /** Returns when allowed. @throws AwsError `AccessDeniedException` (status 400) that names principal, action and resource. */
  authorize(request: AuthorizationRequest): Promise<void>;
}

/** Runs functions of the template as Lambda does. */
export interface FunctionInvoker {
  /**
   * Invokes and waits for the answer. `functionArn` may carry a version or alias.
   * @throws AwsError `AccessDeniedException` where the caller lacks permission, `TooManyRequestsException` (429) where
   * reserved concurrency is used up, `ResourceNotFoundException` (404).
   */
  invoke(functionArn: string, event: unknown, caller: Principal): Promise<InvocationResult>;
}

export type InvocationResult =
  | { readonly ok: true; readonly payload: unknown }
  | { readonly ok: false; readonly errorType: string; readonly errorMessage: string };

/** One line of the local environment's own log. Never given a token or a message's content. */
export type Log = (
  level: 'debug' | 'info' | 'warn' | 'error',
  component: string,
  message: string,
  fields?: Readonly<Record<string, unknown>>,
) => void;
