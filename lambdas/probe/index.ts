import { randomUUID } from 'node:crypto';
import { environmentOf, functionControl } from '../shared/environment.ts';
import { logger } from '../shared/logger.ts';
import { serviceMetrics } from '../shared/metrics.ts';
import { probeSecret } from '../shared/probe-secret.ts';
import { probeToken } from '../shared/probe-token.ts';
import { readVariables } from '../shared/variables.ts';
import { certificateDaysLeft } from './certificate.ts';
import { type ProbeFailure, probe } from './probe.ts';
import { probeVariables } from './variables.ts';

const variables = readVariables(probeVariables);
const metrics = serviceMetrics();
const environment = environmentOf({
  control: functionControl(variables.OPERATIONS_TABLE),
  reads: 'first',
  // Its sockets are those of one run: what it drops is the secret.
  open: () => ({ secret: probeSecret(variables.PROBE_SECRET_ARN), end() {} }),
});

/** Below the function's 20 s, with the time that closing takes. */
const timeoutMs = 15_000;

/** Probes the service once. That it does not work is a measurement, and no error of this function. */
export async function handler(): Promise<void> {
  try {
    await environment.run(({ secret }) => Promise.all([probeService(secret), lookAtCertificate()]));
  } finally {
    metrics.flush();
  }
}

async function probeService(secret: () => Promise<Uint8Array>): Promise<void> {
  try {
    const token = await probeToken(variables.PROBE_AUDIENCE, await secret());
    const { latencyMs } = await probe({ url: variables.WEBSOCKET_URL, token, id: randomUUID(), timeoutMs });
    metrics.put('ProbeSuccess', 100);
    metrics.put('ProbeLatency', latencyMs);
  } catch (error) {
    metrics.put('ProbeSuccess', 0);
    logger.error('the probe failed', { step: (error as Partial<ProbeFailure>).step, error: error as Error });
  }
}

async function lookAtCertificate(): Promise<void> {
  const url = new URL(variables.WEBSOCKET_URL);
  // On this machine there is none.
  if (url.protocol !== 'wss:') return;
  try {
    metrics.put('CertificateDaysLeft', await certificateDaysLeft(url, timeoutMs));
  } catch (error) {
    logger.error('no certificate seen', error as Error);
  }
}
