import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BroadcastChannel } from 'node:worker_threads';

/** Directories of bundles as a cloud assembly holds them, each with its `index.js`. */
export class Bundles {
  readonly directory = mkdtempSync(join(tmpdir(), 'lambda-'));
  #count = 0;

  /** Writes a bundle; returns its directory. */
  add(code: string): string {
    this.#count += 1;
    const directory = mkdtempSync(join(this.directory, `asset.${this.#count}-`));
    writeFileSync(join(directory, 'index.js'), code);
    return directory;
  }

  remove(): void {
    rmSync(this.directory, { recursive: true });
  }
}

/** A bundle whose invocations end when the test says so; the answer tells which thread handled it. */
export const gatedBundle = (channel: string) => `
  const { BroadcastChannel, threadId } = require('node:worker_threads');
  const channel = new BroadcastChannel(${JSON.stringify(channel)});
  exports.handler = ({ id }) => new Promise((resolve, reject) => {
    channel.onmessage = ({ data }) => {
      if (data.release === id) resolve({ id, threadId });
      if (data.fail === id) reject(new TypeError('failed ' + id));
    };
    channel.postMessage({ started: id });
  });`;

/** The test's side of a `gatedBundle`. */
export class Gate {
  readonly #channel: BroadcastChannel;
  readonly #arrived: string[] = [];
  #wake = () => {};
  /** Every invocation that began, in order. */
  readonly started: string[] = [];

  constructor(name: string) {
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = message => {
      const { started } = (message as { data: { started?: string } }).data;
      if (started === undefined) return;
      this.started.push(started);
      this.#arrived.push(started);
      this.#wake();
    };
  }

  /** Waits for the next invocation to begin; returns its id. */
  async next(): Promise<string> {
    while (this.#arrived.length === 0) {
      await new Promise<void>(resolve => {
        this.#wake = resolve;
      });
    }
    return this.#arrived.shift() as string;
  }

  release(id: string): void {
    this.#channel.postMessage({ release: id });
  }

  fail(id: string): void {
    this.#channel.postMessage({ fail: id });
  }

  close(): void {
    this.#channel.close();
  }
}

/** Lines of a log, with waiting for one to come. */
export class Lines<Line> {
  readonly all: Line[] = [];
  #wake = () => {};

  add(line: Line): void {
    this.all.push(line);
    this.#wake();
  }

  /** The first that matches, written already or to come. */
  async find(matches: (line: Line) => boolean): Promise<Line> {
    for (;;) {
      const found = this.all.find(matches);
      if (found !== undefined) return found;
      await new Promise<void>(resolve => {
        this.#wake = resolve;
      });
    }
  }
}
