import { setTimeout as sleep } from 'node:timers/promises';
import { browserClock, type WorkerScope } from '../../client/browser-clock.ts';
import { systemClock } from '../../client/clock.ts';

type Posted = readonly [timer: number, ms?: number];

/** A page whose Worker is told what to do by the test. */
function page() {
  const posted: Posted[] = [];
  const listeners: Record<string, (event: never) => void> = {};
  const Worker = class {
    postMessage(message: Posted) {
      posted.push(message);
    }
    addEventListener(type: string, listener: (event: never) => void) {
      listeners[type] = listener;
    }
  };
  const due = (timer: number) => listeners.message?.({ data: timer } as never);
  return { scope: { document: {}, Worker } as unknown as WorkerScope, posted, due, listeners };
}

it('runs a timer when the Worker says so, once, though the page would be later', async () => {
  const { scope, posted, due } = page();
  const clock = browserClock(scope);
  let runs = 0;
  clock.after(20, () => runs++);
  expect(posted).toEqual([[1, 20]]);
  due(1);
  expect(runs).toBe(1);
  due(1);
  await sleep(40);
  expect(runs).toBe(1);
});

it('runs a timer by itself where the Worker says nothing, as one that the policy forbids', async () => {
  const { scope, posted, listeners } = page();
  const clock = browserClock(scope);
  let prevented = false;
  listeners.error?.({
    preventDefault() {
      prevented = true;
    },
  } as never);
  expect(prevented).toBe(true);
  await new Promise<void>(resolve => clock.after(1, resolve));
  // And takes it back from the Worker, if that is only late.
  expect(posted.at(-1)).toEqual([1]);
});

it('cancels in both', async () => {
  const { scope, posted, due } = page();
  const clock = browserClock(scope);
  let runs = 0;
  const cancel = clock.after(1, () => runs++);
  cancel();
  cancel();
  expect(posted).toEqual([[1, 1], [1]]);
  due(1);
  await sleep(10);
  expect(runs).toBe(0);
});

it('is the system clock where a Worker cannot be had, or is of no use', () => {
  const Worker = class {
    constructor() {
      throw new Error('forbidden');
    }
  };
  expect(browserClock({ document: {}, Worker } as unknown as WorkerScope)).toBe(systemClock);
  expect(browserClock({ document: {} })).toBe(systemClock);
  expect(browserClock({ Worker } as unknown as WorkerScope)).toBe(systemClock);
  // Here.
  expect(browserClock()).toBe(systemClock);
});
