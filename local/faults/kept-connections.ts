import type { Socket } from 'node:net';
import type { Principal } from '../aws/service.ts';
import { interrupt } from './interrupt.ts';
import type { Drawn, FaultSource } from './points.ts';

/**
 * The connections that callers keep open to one server of AWS's APIs. A host behind a service's name can be sick while the name
 * leads new connections elsewhere: whoever keeps its connections stays with it.
 */
export interface KeptConnections {
  /**
   * Notes what a connection is used for, and does to the request what the host that it ends at does.
   * @throws AwsError, ConnectionCut as `interrupt`
   */
  used(socket: Socket, use: { readonly service: string; readonly principal: Principal }): Promise<void>;
}

interface Kept {
  readonly service: string;
  readonly functionName: string | undefined;
  sick?: Drawn<'host'> | undefined;
}

/** A function's environments assume its role in sessions of the function's name, as on Lambda. */
const functionOf = (principal: Principal): string | undefined =>
  principal.kind === 'role' && principal.arn.includes(':assumed-role/') ? principal.arn.split('/').at(-1) : undefined;

/** Only who holds it ends a connection to a sick host: the server's own timeout of idle ones would cure it. */
function holdOpen(socket: Socket): void {
  socket.setTimeout(0);
  // Node's server sets it anew after each response.
  socket.setTimeout = () => socket;
}

/** Connections of one server. */
export function keptConnections(faults: FaultSource): KeptConnections {
  const connections = new Map<Socket, Kept>();
  faults.onSweep('host', draw => {
    for (const [socket, kept] of connections) {
      const drawn = draw(kept);
      if (!drawn) continue;
      kept.sick = drawn;
      holdOpen(socket);
    }
  });
  return {
    async used(socket, { service, principal }) {
      const known = connections.get(socket);
      const functionName = functionOf(principal);
      if (!known) socket.once('close', () => connections.delete(socket));
      if (known?.service !== service || known.functionName !== functionName)
        connections.set(socket, { service, functionName, sick: known?.sick });
      const sick = known?.sick;
      if (sick && !sick.ended.aborted) await interrupt(sick);
    },
  };
}
