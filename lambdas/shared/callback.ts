import aws4 from 'aws4';
import { errors, Pool } from 'undici';
import type { DimensionValue } from './metric-catalogue.ts';

/** A post that was not delivered. */
export interface PostFailure {
  /** 429, no answer in time, 5xx, another status, no connection to the gateway. */
  readonly failed: DimensionValue<'PostFailures'>;
  /** For the log. */
  readonly detail: string;
}

export type PostResult =
  | 'delivered'
  /** The connection is closed (410). */
  | 'gone'
  | PostFailure;

/** The @connections API of the service's WebSocket stage. */
export interface Callback {
  post(connectionId: string, frame: string): Promise<PostResult>;
  /** Closes a connection; `gone` where it was closed before. @throws Error where the gateway refuses. */
  close(connectionId: string): Promise<'closed' | 'gone'>;
  /** Whether the gateway still has it. @throws Error where it does not say. */
  exists(connectionId: string): Promise<boolean>;
}

/** A callback over sockets of its own. */
export interface SocketCallback extends Callback {
  /**
   * Keeps so many sockets open from now on, all of them new.
   * @returns when the old ones have ended, each with the requests that were under way on it
   */
  resize(connections: number): Promise<void>;
  /** Ends the sockets; requests under way fail. */
  end(): Promise<void>;
}

export interface CallbackOptions {
  /** The stage's callback URL, `https://<api>.execute-api.<region>.amazonaws.com/<stage>`; never a custom domain's. */
  readonly url: string;
  readonly timeoutMs: number;
  /** Sockets kept open to the gateway. */
  readonly connections: number;
}

/**
 * Sockets that were idle for longer are not used again. An environment is frozen between events and does not see what
 * the gateway closes meanwhile; a post on such a socket would fail, and its connection be closed for it.
 */
const maxIdleMs = 4_000;

function failureOf(status: number): PostFailure {
  const detail = `status ${status}`;
  if (status === 429) return { failed: 'throttled', detail };
  return { failed: status >= 500 ? 'server' : 'refused', detail };
}

function brokenOff(error: unknown): PostFailure {
  const timeout = [errors.HeadersTimeoutError, errors.BodyTimeoutError, errors.ConnectTimeoutError].some(
    type => error instanceof type,
  );
  const detail = error instanceof Error ? error.message : String(error);
  return { failed: timeout ? 'timeout' : 'network', detail };
}

/**
 * Signs with aws4 and posts with undici, which takes about a third of the CPU of the SDK's client for a post and makes
 * three times as many a second (`npm run bench:post`). Credentials are those that Lambda puts in the environment.
 */
export function signedCallback(options: CallbackOptions): SocketCallback {
  const { origin, host, pathname } = new URL(options.url);
  let connections = options.connections;
  const open = () =>
    new Pool(origin, {
      connections,
      headersTimeout: options.timeoutMs,
      bodyTimeout: options.timeoutMs,
      connectTimeout: options.timeoutMs,
    });
  let pool = open();
  let underWay = 0;
  let usedAt = Date.now();
  const region = process.env.AWS_REGION;
  const request = async (method: 'POST' | 'DELETE' | 'GET', connectionId: string, body?: string) => {
    const path = `${pathname}/@connections/${encodeURIComponent(connectionId)}`;
    const signed = aws4.sign({
      service: 'execute-api',
      host,
      method,
      path,
      ...(region && { region }),
      ...(body && { body }),
    });
    const stale = underWay === 0 && Date.now() - usedAt > maxIdleMs ? pool : undefined;
    if (stale) pool = open();
    underWay += 1;
    try {
      await stale?.destroy();
      const response = await pool.request({
        method,
        path,
        headers: signed.headers as Record<string, string>,
        ...(body !== undefined && { body }),
      });
      // The body must be consumed for the socket to be used again; a 410 may come without one.
      await response.body.dump();
      return response.statusCode;
    } finally {
      underWay -= 1;
      usedAt = Date.now();
    }
  };
  return {
    async post(connectionId, frame) {
      try {
        const status = await request('POST', connectionId, frame);
        if (status === 200) return 'delivered';
        return status === 410 ? 'gone' : failureOf(status);
      } catch (error) {
        return brokenOff(error);
      }
    },
    async close(connectionId) {
      const status = await request('DELETE', connectionId);
      if (status === 410) return 'gone';
      if (status !== 204 && status !== 200) throw new Error(`closing a connection was answered ${status}`);
      return 'closed';
    },
    async exists(connectionId) {
      const status = await request('GET', connectionId);
      if (status === 200) return true;
      // 410 is documented, 404 is what some see for a connection of long ago.
      if (status === 410 || status === 404) return false;
      throw new Error(`asking for a connection was answered ${status}`);
    },
    async resize(to) {
      const old = pool;
      connections = to;
      pool = open();
      await old.close();
    },
    end: () => pool.destroy(),
  };
}
