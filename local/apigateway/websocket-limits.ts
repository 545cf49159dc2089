export interface WebSocketLimits {
  /** Payload of one frame, bytes. */
  readonly maxFrameBytes: number;
  /** A message in either direction, bytes. */
  readonly maxMessageBytes: number;
  /** Length of the URL of a handshake, characters. */
  readonly maxUrlLength: number;
  /** Without a message in either direction, milliseconds. */
  readonly idleTimeoutMs: number;
  readonly maxDurationMs: number;
  /** Upper bound of every integration's timeout, milliseconds. */
  readonly integrationTimeoutMs: number;
  /** Bytes that may wait for a slow client. API Gateway documents that there is a bound, not how much it is. */
  readonly maxBufferedBytes: number;
}

/** "Quotas for configuring and running a WebSocket API", except `maxBufferedBytes`. */
export const webSocketLimits: WebSocketLimits = {
  maxFrameBytes: 32 * 1024,
  maxMessageBytes: 128 * 1024,
  maxUrlLength: 4096,
  idleTimeoutMs: 10 * 60 * 1000,
  maxDurationMs: 2 * 60 * 60 * 1000,
  integrationTimeoutMs: 29_000,
  maxBufferedBytes: 1024 * 1024,
};
