/**
 * What a rule asks of an alarm event's `muteDetail`. "Alarm events and EventBridge": muted alarms still send events, with this. Of
 * an object `exists` is never true: it "works only on leaf nodes" ("Comparison operators for use in event patterns").
 */
export const notMuted = { mutedBy: [{ exists: false }], muteWindowStart: [{ exists: false }] };
