import { type Clock, systemClock } from './clock.ts';

/** What this uses of a Worker, and where it comes from. */
export interface WorkerScope {
  readonly document?: unknown;
  readonly Worker?: new (
    url: string,
  ) => {
    postMessage(message: readonly [timer: number, ms?: number]): void;
    addEventListener(type: 'message', listener: (event: { readonly data: number }) => void): void;
    addEventListener(type: 'error', listener: (event: { preventDefault(): void }) => void): void;
  };
}

/** Sets the timer that it is told of, or without a time cancels it, and tells when it is due. */
const source = `const timers = new Map;
onmessage = ({ data: [timer, ms] }) => {
  if (ms === undefined) {
    clearTimeout(timers.get(timer));
    timers.delete(timer);
  } else timers.set(timer, setTimeout(() => { timers.delete(timer); postMessage(timer) }, ms));
}`;

/**
 * A clock whose timers run on where browsers slow them down: those of hidden pages wake once a minute ("Heavy throttling of
 * chained JS timers", Chrome for Developers), a Worker's do not. Each timer is set in both, and the first to be due counts, so
 * that a page whose Content Security Policy allows no Worker from a blob loses nothing but punctuality.
 * @returns the system's clock where there is no page or no Worker
 */
export function browserClock(scope: WorkerScope = globalThis as WorkerScope): Clock {
  const { Worker } = scope;
  // A Worker's own timers are not slowed.
  if (!Worker || !scope.document) return systemClock;
  const due = new Map<number, () => void>();
  let last = 0;
  let worker: InstanceType<typeof Worker>;
  try {
    worker = new Worker(URL.createObjectURL(new Blob([source], { type: 'text/javascript' })));
  } catch {
    // How some browsers say that the policy forbids it.
    return systemClock;
  }
  worker.addEventListener('message', ({ data }) => due.get(data)?.());
  // How the others say so: nothing is lost, as said above.
  worker.addEventListener('error', event => event.preventDefault());
  return {
    ...systemClock,
    after(ms, run) {
      const timer = ++last;
      const cancelHere = systemClock.after(ms, () => due.get(timer)?.());
      const cancel = () => {
        if (!due.delete(timer)) return;
        cancelHere();
        worker.postMessage([timer]);
      };
      due.set(timer, () => {
        cancel();
        run();
      });
      worker.postMessage([timer, ms]);
      return cancel;
    },
  };
}

let shared: Clock | undefined;
/** One for all sockets of a page, and with it one Worker, begun when the first socket is. */
export const pageClock = (): Clock => {
  shared ??= browserClock();
  return shared;
};
