import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AwsError, type AwsReply, type AwsService, type Principal } from '../../../local/aws/service.ts';

export interface FrontDoor {
  readonly url: string;
  close(): Promise<void>;
}

/** Brings calls of the SDK to one service, without checking signatures. */
export async function openFrontDoor(
  service: AwsService,
  signingName: string,
  principal: Principal,
): Promise<FrontDoor> {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    let reply: AwsReply;
    try {
      reply = await service.handle({
        principal,
        service: signingName,
        method: request.method ?? 'POST',
        url: request.url ?? '/',
        headers: request.headers,
        body: Buffer.concat(chunks),
      });
    } catch (error) {
      const refusal = error instanceof AwsError ? error : new AwsError('InternalFailure', String(error), 500);
      reply = {
        status: refusal.status,
        headers: { 'content-type': 'application/x-amz-json-1.0', 'x-amzn-errortype': refusal.code },
        body: JSON.stringify({ __type: refusal.code, message: refusal.message }),
      };
    }
    response.writeHead(reply.status, reply.headers).end(reply.body);
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
