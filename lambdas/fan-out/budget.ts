/** How many posts an invocation can still make in its time and at its pace; all of its groups share them. */
export interface Budget {
  /**
   * Takes posts for as many of `frames` as there are posts for, each to all of `connections`.
   * @returns how many frames. The first to ask gets one in any case, so that every invocation gets something done.
   */
  take(connections: number, frames: number): number;
  /** Whether no more posts may begin. */
  readonly over: boolean;
}

/** @param deadline epoch milliseconds, after which no post begins */
export function postBudget(posts: number, deadline: number, now: () => number): Budget {
  let left = posts;
  let asked = false;
  return {
    take(connections, frames) {
      const affordable = connections === 0 ? frames : Math.floor(left / connections);
      const taken = Math.min(frames, Math.max(affordable, asked ? 0 : 1));
      asked ||= connections > 0;
      left = Math.max(0, left - taken * connections);
      return taken;
    },
    get over() {
      return now() >= deadline;
    },
  };
}
