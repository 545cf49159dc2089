/** What asking one thing gave. A check that fails is a finding, and no failure of the diagnosis. */
export type Finding<T> =
  | { readonly ok: true; readonly tookMs: number; readonly found: T }
  | { readonly ok: false; readonly tookMs: number; readonly problem: string };

/** Runs a check; one that has not ended after `timeoutMs` has failed. */
export async function check<T>(timeoutMs: number, run: (signal: AbortSignal) => Promise<T>): Promise<Finding<T>> {
  const begin = performance.now();
  const tookMs = () => Math.round(performance.now() - begin);
  const giveUp = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const error = new Error(`no answer within ${timeoutMs} ms`);
      giveUp.abort(error);
      reject(error);
    }, timeoutMs);
  });
  try {
    const found = await Promise.race([run(giveUp.signal), late]);
    return { ok: true, tookMs: tookMs(), found };
  } catch (error) {
    const { name, message } = error as Error;
    return { ok: false, tookMs: tookMs(), problem: name === 'Error' ? message : `${name}: ${message}` };
  } finally {
    clearTimeout(timer);
  }
}
