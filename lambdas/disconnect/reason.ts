import type { Connection } from '../shared/connections.ts';
import type { DimensionValue } from '../shared/metric-catalogue.ts';
import { plannedClose } from '../shared/protocol.ts';

export type DisconnectReason = DimensionValue<'Disconnects'>;

/** What API Gateway tells of an end. */
export interface End {
  /** The close code; absent where the gateway gives none. */
  readonly code?: number | undefined;
  readonly reason?: string | undefined;
  /** Epoch milliseconds. */
  readonly connectedAt: number;
}

/** A little less than the gateway's 10 min and 2 h ("Quotas for configuring and running a WebSocket API"). */
const idleMs = 9 * 60_000;
const longestMs = 2 * 3_600_000 - 60_000;

/**
 * Why a connection ended.
 * @param connection as it was registered; undefined where it was forgotten before, and with it what the service meant
 * @param draining whether clients are asked to leave now
 */
export function reasonOf(
  { code, reason, connectedAt }: End,
  connection: Pick<Connection, 'ending' | 'lastSeenAt'> | undefined,
  now: number,
  draining: boolean,
): DisconnectReason {
  if (connection?.ending) return connection.ending.reason;
  const leaving = draining ? 'drain' : 'normal';
  switch (code) {
    case plannedClose:
      return draining ? 'drain' : 'planned';
    // Also what a DELETE by the service comes to, which is marked where it means something.
    case 1000:
    // The client gave no code.
    case 1005:
      return leaving;
    case 1001: {
      if (now - connectedAt >= longestMs) return 'server';
      // Browsers send 1001 too, when their page is left; the gateway does where nothing was heard for 10 min.
      const heardAt = connection?.lastSeenAt ?? connectedAt;
      return reason === 'Going away' && now - heardAt >= idleMs ? 'idle' : leaving;
    }
    // The gateway refused a frame: binary, not UTF-8, too large.
    case 1003:
    case 1007:
    case 1008:
    case 1009:
    case 1011:
      return 'server';
    default:
      return code !== undefined && code >= 3000 ? leaving : 'abnormal';
  }
}
