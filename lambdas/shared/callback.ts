import aws4 from 'aws4';
import { Pool } from 'undici';

export type PostResult =
  | 'delivered'
  /** The connection is closed (410). */
  | 'gone'
  /** Not delivered: 429, 403, 413, 5xx, no answer in time. */
  | { readonly failed: string };

/** The @connections API of the service's WebSocket stage. */
export interface Callback {
  post(connectionId: string, frame: string): Promise<PostResult>;
  /** Closes a connection; `gone` where it was closed before. @throws Error where the gateway refuses. */
  close(connectionId: string): Promise<'closed' | 'gone'>;
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

/**
 * Signs with aws4 and posts with undici, which takes about a third of the CPU of the SDK's client for a post and makes
 * three times as many a second (`npm run bench:post`). Credentials are those that Lambda puts in the environment.
 */
export function signedCallback(options: CallbackOptions): Callback {
  const { origin, host, pathname } = new URL(options.url);
  const open = () =>
    new Pool(origin, {
      connections: options.connections,
      headersTimeout: options.timeoutMs,
      bodyTimeout: options.timeoutMs,
      connectTimeout: options.timeoutMs,
    });
  let pool = open();
  let underWay = 0;
  let usedAt = Date.now();
  const region = process.env.AWS_REGION;
  const request = async (method: 'POST' | 'DELETE', connectionId: string, body?: string) => {
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
        return status === 410 ? 'gone' : { failed: `status ${status}` };
      } catch (error) {
        return { failed: error instanceof Error ? error.message : String(error) };
      }
    },
    async close(connectionId) {
      const status = await request('DELETE', connectionId);
      if (status === 410) return 'gone';
      if (status !== 204 && status !== 200) throw new Error(`closing a connection was answered ${status}`);
      return 'closed';
    },
  };
}
