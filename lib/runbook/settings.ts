/** What a runbook's `## Settings` table sets; `settings-catalogue.ts` has the name, range and default of each. */
export interface Settings {
  /** Connections that the service admits at once. */
  readonly maxConnections: number;
  readonly maxConnectionsPerUser: number;
  /** Connections that one source IP address may hold. */
  readonly maxConnectionsPerAddress: number;
  readonly maxChannelsPerConnection: number;
  /** Frames that one connection may send a second, held by each function environment for itself. */
  readonly maxFramesPerSecond: number;
  /** Largest `data` that a publisher may send, in bytes of its JSON text. */
  readonly maxMessageBytes: number;
  /** How often a client sends a heartbeat. `lastSeenAt` moves only when half of it has passed. */
  readonly heartbeatIntervalSeconds: number;
  /**
   * How long after a missed heartbeat a connection is still held to be alive: it is evicted when it was silent for
   * 1.5 × interval + grace.
   */
  readonly heartbeatGraceSeconds: number;
  /** How long a message can be replayed. */
  readonly retentionSeconds: number;
  /** Over how long a drain lets clients leave by themselves. */
  readonly drainWindowSeconds: number;
  /** Time allowed for one PostToConnection. */
  readonly postTimeoutSeconds: number;
  /** Posts that one fan-out invocation has under way at once. */
  readonly postParallelism: number;
  /** Fan-out invocations at once (the event source's maximum concurrency). */
  readonly fanOutConcurrency: number;
  readonly functionMemoryMegabytes: number;
  /** Within which somebody works on an incident of severity P0, and so on. */
  readonly responseTimeP0Seconds: number;
  readonly responseTimeP1Seconds: number;
  readonly responseTimeP2Seconds: number;
  readonly responseTimeP3Seconds: number;
  /** This service's share of the account's API Gateway request quota, 0 to 1. */
  readonly requestQuotaShare: number;
}
