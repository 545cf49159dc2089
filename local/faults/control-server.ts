import { randomBytes, randomUUID, timingSafeEqual } from 'node:crypto';
import { rename, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { z } from 'zod';
import { listen } from '../listen.ts';
import type { FaultSpec } from './catalogue.ts';
import { FaultError } from './fault-error.ts';
import type { Faults } from './faults.ts';

/** Where the command finds the environment of a state directory. */
export const controlFile = (stateDirectory: string): string => join(stateDirectory, 'faults.json');

export const controlAddress = z.object({ url: z.url(), secret: z.string() });

export interface FaultControl {
  close(): Promise<void>;
}

interface Reply {
  readonly status: number;
  readonly body: unknown;
}

/** A fault has a few short parameters. */
const maxBodyBytes = 64 * 1024;
const specSchema = z.looseObject({ fault: z.string({ error: 'the name of a fault' }) });

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request) {
    length += (chunk as Buffer).length;
    if (length > maxBodyBytes) throw new FaultError(`the request is larger than ${maxBodyBytes} bytes`);
    chunks.push(chunk as Buffer);
  }
  try {
    return JSON.parse(String(Buffer.concat(chunks)));
  } catch {
    throw new FaultError('the request is not JSON');
  }
}

async function replyTo(request: IncomingMessage, faults: Faults): Promise<Reply> {
  const { method = 'GET', url = '/' } = request;
  const [, path, id] = url.split('/');
  if (path !== 'faults') return { status: 404, body: { message: 'not found' } };
  switch (method) {
    case 'GET':
      return { status: 200, body: faults.list() };
    case 'POST': {
      const spec = specSchema.safeParse(await bodyOf(request));
      if (!spec.success) throw new FaultError(z.prettifyError(spec.error));
      // Its parameters are checked by the fault's own schema.
      return { status: 201, body: faults.inject(spec.data as unknown as FaultSpec) };
    }
    case 'DELETE':
      faults.clear(id === undefined ? undefined : decodeURIComponent(id));
      return { status: 200, body: faults.list() };
    default:
      return { status: 405, body: { message: 'GET, POST or DELETE' } };
  }
}

/**
 * Lets the command inject faults: on this machine's own address, and for who can read the state directory, where a
 * secret lies.
 */
export async function startFaultControl(faults: Faults, stateDirectory: string): Promise<FaultControl> {
  const secret = randomBytes(32).toString('base64url');
  const expected = Buffer.from(`Bearer ${secret}`);
  const isAuthorized = ({ headers: { authorization = '' } }: IncomingMessage): boolean => {
    const given = Buffer.from(authorization);
    return given.length === expected.length && timingSafeEqual(given, expected);
  };

  async function answer(request: IncomingMessage): Promise<Reply> {
    if (!isAuthorized(request))
      return { status: 401, body: { message: 'the secret of the state directory is needed' } };
    try {
      return await replyTo(request, faults);
    } catch (error) {
      if (error instanceof FaultError) return { status: 400, body: { message: error.message } };
      throw error;
    }
  }

  const server = createServer((request, response) => {
    answer(request).then(
      ({ status, body }) => {
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
      },
      error => response.destroy(error),
    );
  });
  const { port, close } = await listen(server, 0);
  const file = controlFile(stateDirectory);
  // Whole or not at all, since the command may read it at the same time.
  const temporary = `${file}.${randomUUID()}`;
  await writeFile(temporary, JSON.stringify({ url: `http://127.0.0.1:${port}`, secret }), { mode: 0o600 });
  await rename(temporary, file);
  return {
    async close() {
      await rm(file, { force: true });
      await close();
    },
  };
}
