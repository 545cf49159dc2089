import { connect } from 'node:tls';

const dayMs = 86_400_000;

/**
 * For how many days the certificate of an address is still good; negative where it has ended.
 * @throws Error where there is no TLS, or no answer in time
 */
export async function certificateDaysLeft(
  { hostname, port }: URL,
  timeoutMs: number,
  now: () => number = Date.now,
): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const socket = connect({
    host: hostname,
    port: Number(port || 443),
    servername: hostname,
    // Its date is wanted also where it has ended. Nothing is sent.
    rejectUnauthorized: false,
  });
  socket.setTimeout(timeoutMs, () => reject(new Error('no certificate in time')));
  socket.once('error', reject);
  socket.once('close', () => reject(new Error('closed before the certificate came')));
  socket.once('secureConnect', () => {
    const { valid_to: validTo } = socket.getPeerCertificate();
    resolve((Date.parse(validTo) - now()) / dayMs);
  });
  try {
    return await promise;
  } finally {
    socket.destroy();
  }
}
