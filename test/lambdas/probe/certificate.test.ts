import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { createServer } from 'node:tls';
import { certificateDaysLeft } from '../../../lambdas/probe/certificate.ts';

/** ASN.1 in DER, as much of it as a certificate needs. */
function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}
const sequence = (...parts: readonly Buffer[]) => der(0x30, ...parts);
const utcTime = (date: string) => der(0x17, Buffer.from(date));
// "ecdsa-with-SHA256" and "commonName".
const algorithm = sequence(der(0x06, Buffer.from('2a8648ce3d040302', 'hex')));
const name = sequence(
  der(0x31, sequence(der(0x06, Buffer.from('550403', 'hex')), der(0x0c, Buffer.from('localhost')))),
);

/** A certificate that signs itself. */
function certificate(publicKey: KeyObject, privateKey: KeyObject, from: string, to: string): string {
  const content = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.from([1])),
    algorithm,
    name,
    sequence(utcTime(from), utcTime(to)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
  );
  const signature = der(0x03, Buffer.from([0]), sign('sha256', content, privateKey));
  const text = sequence(content, algorithm, signature).toString('base64');
  return `-----BEGIN CERTIFICATE-----\n${text.replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`;
}

let server: Server | undefined;
const sockets = new Set<Socket>();
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  await new Promise(resolve => server?.close(resolve));
});

async function listening(created: Server): Promise<URL> {
  server = created;
  created.on('connection', socket => sockets.add(socket));
  created.listen(0, '127.0.0.1');
  await once(created, 'listening');
  return new URL(`wss://localhost:${(created.address() as AddressInfo).port}/dev`);
}

test.each([
  ['2026-11-02T00:00:00Z', 10],
  ['2026-11-13T00:00:00Z', -1],
])('on %s a certificate until 12 November has %d days left', async (now, expected) => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' });
  const cert = certificate(publicKey, privateKey, '261001000000Z', '261112000000Z');
  const url = await listening(createServer({ key, cert }));
  expect(await certificateDaysLeft(url, 5_000, () => Date.parse(now))).toBe(expected);
});

test('what does not speak TLS is told', async () => {
  const url = await listening(createTcpServer(socket => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')));
  await expect(certificateDaysLeft(url, 5_000)).rejects.toThrow();
});

test('what does not answer is told in time', async () => {
  const url = await listening(createTcpServer());
  await expect(certificateDaysLeft(url, 100)).rejects.toThrow('no certificate in time');
});
