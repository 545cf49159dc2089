/** From the most to the least severe. */
export const severities = ['P0', 'P1', 'P2', 'P3'] as const;
export type Severity = (typeof severities)[number];

/** Severities whose alarms call a person by themselves, whatever else works. */
export const paging: readonly Severity[] = ['P0', 'P1'];
