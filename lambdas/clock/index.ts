/**
 * The time as functions have it, which is what they compare the control record's times with. A state machine has its own
 * clock, as text, and cannot reckon with it.
 */
export const handler = async (): Promise<{ readonly epochMilliseconds: number }> => ({
  epochMilliseconds: Date.now(),
});
