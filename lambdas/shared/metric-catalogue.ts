/** What a metric measures and how; the unit is one of CloudWatch's. */
export interface MetricDefinition {
  readonly unit: 'Count' | 'Percent' | 'Milliseconds' | 'Seconds';
  /** The one dimension beside `Service` and `Environment`, with all of its values. */
  readonly dimension?: { readonly name: string; readonly values: readonly string[] };
  /**
   * A count of events: the census adds a zero every minute, for each value of the dimension too, so that "none" is a figure
   * and not a silence.
   */
  readonly dense: boolean;
}

const count = { unit: 'Count', dense: true } as const;
/** Put by the census itself, every minute. */
const gauge = { unit: 'Count', dense: false } as const;
const percent = { unit: 'Percent', dense: false } as const;
const by = <Name extends string, const Values extends readonly string[]>(name: Name, values: Values) => ({
  ...count,
  dimension: { name, values },
});

/** Every metric that the functions put, by EMF, into the namespace. A metric that is not here does not compile. */
export const metricCatalogue = {
  // Census, every minute.
  ActiveConnections: gauge,
  PeakConnections: gauge,
  BaselineConnections: gauge,
  ConnectionDrop: percent,
  ConnectionsUsed: percent,
  SilentConnections: percent,
  Backlog: gauge,
  CensusRuns: gauge,
  HeartbeatTimeouts: count,
  // Connections.
  ConnectionsOpened: count,
  ConnectionErrors: by('Type', ['token', 'origin', 'limit', 'closed', 'internal']),
  Disconnects: by('Reason', ['normal', 'abnormal', 'idle', 'evicted', 'expired', 'planned', 'drain', 'server']),
  ConnectionDuration: { unit: 'Seconds', dense: false },
  // Messages.
  MessagesAccepted: count,
  MessagesDelivered: count,
  DeliveryLatency: { unit: 'Milliseconds', dense: false },
  PostFailures: by('Reason', ['throttled', 'timeout', 'server', 'refused', 'network']),
  UndeliverableMessages: count,
  Errors: by('Type', ['client', 'throttled', 'unavailable', 'internal', 'delivery']),
  // The probe, every minute: a real client of the service.
  ProbeSuccess: percent,
  ProbeLatency: { unit: 'Milliseconds', dense: false },
  CertificateDaysLeft: gauge,
  // Functions.
  MemoryUsed: percent,
} as const satisfies Readonly<Record<string, MetricDefinition>>;

export type MetricName = keyof typeof metricCatalogue;

/** The values of a metric's dimension; `undefined` where it has none. */
export type DimensionValue<Name extends MetricName> = (typeof metricCatalogue)[Name] extends {
  dimension: { values: readonly (infer Value)[] };
}
  ? Value
  : undefined;

export const metricNamespace = 'Steadysocket';
