import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { z } from 'zod';
import { AwsError } from '../aws/service.ts';
import { ConnectionCut, interrupt } from '../faults/interrupt.ts';
import { type FaultSource, noFaults } from '../faults/points.ts';
import { listen } from '../listen.ts';
import { createIssuer, generateJwks, type Issuer, readState, writeState } from './issuer.ts';

const jwksPath = '/.well-known/jwks.json';

/** What the tokens of a running environment have to say, as its template expects. */
export interface IssuerClaims {
  readonly issuer: string;
  readonly audience: string;
}

const issuerClaims = z.object({ issuer: z.string(), audience: z.string() });

/** Serves the public keys of an issuer. */
export function jwksHandler(issuer: Issuer, faults: FaultSource = noFaults): RequestListener {
  const own = JSON.stringify(issuer.jwks());
  let others: Promise<string> | undefined;
  const otherKeys = (): Promise<string> => {
    others ??= generateJwks().then(keys => JSON.stringify(keys));
    return others;
  };

  async function answerKeys(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const fault = faults.draw('keys', () => ({}));
    if (fault) await interrupt(fault);
    const body = fault?.otherKeys ? await otherKeys() : own;
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
    response.end(request.method === 'GET' ? body : undefined);
  }

  function refuse(response: ServerResponse, error: unknown): void {
    if (error instanceof AwsError) response.writeHead(error.status).end();
    else if (error instanceof ConnectionCut) response.destroy();
    else response.writeHead(500).end();
  }

  return (request, response) => {
    if (request.url?.split('?', 1)[0] !== jwksPath) {
      response.writeHead(404).end();
    } else if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.writeHead(405, { allow: 'GET, HEAD' }).end();
    } else {
      answerKeys(request, response).catch(error => refuse(response, error));
    }
  };
}

/**
 * What an environment of this state directory was started with.
 * @throws Error where none was ever started there.
 */
export async function readIssuerClaims(stateDirectory: string): Promise<IssuerClaims> {
  const stored = await readState(stateDirectory, 'issuer.json');
  if (stored === undefined) {
    throw new Error(`no environment was started with the state directory '${stateDirectory}': run npm start first`);
  }
  return issuerClaims.parse(stored);
}

export interface TokenIssuerOptions extends IssuerClaims {
  readonly stateDirectory: string;
  /** 0 takes a free port. */
  readonly port: number;
  readonly faults?: FaultSource;
}

export interface RunningTokenIssuer {
  readonly jwksUrl: string;
  readonly port: number;
  close(): Promise<void>;
}

/** Serves the JWKS of a state directory, and records issuer and audience for the tokens that are made there. */
export async function startTokenIssuer(options: TokenIssuerOptions): Promise<RunningTokenIssuer> {
  const { stateDirectory, issuer, audience } = options;
  const server = createServer(jwksHandler(await createIssuer(stateDirectory), options.faults));
  await writeState(stateDirectory, 'issuer.json', { issuer, audience }, 0o644);
  const { port, close } = await listen(server, options.port);
  return {
    jwksUrl: `http://127.0.0.1:${port}${jwksPath}`,
    port,
    close,
  };
}
