import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { AwsError } from '../aws/service.ts';
import type { FaultSource } from '../faults/points.ts';
import type { FunctionLog } from './function-log.ts';
import { type FunctionDefinition, LocalFunction } from './local-function.ts';

/** A version: code and configuration that stay as they were published. */
export interface FunctionVersion {
  /** `$LATEST`, or a number. */
  readonly version: string;
  /** Where its bundle is. */
  readonly directory: string;
  /** Base64 of the bundle's SHA-256. */
  readonly codeSha256: string;
  readonly description: string;
  /** Epoch milliseconds. */
  readonly lastModified: number;
}

export interface DeployedFunctionOptions {
  readonly name: string;
  readonly arn: string;
  readonly role: string;
  /** `index.handler` */
  readonly handler: string;
  readonly directory: string;
  /** All that versions have in common; `version` is that of the environment variables. */
  readonly definition: (version: string) => Omit<FunctionDefinition, 'path' | 'exportName' | 'version' | 'concurrency'>;
  readonly maxEnvironments: number;
  readonly faults: FaultSource | undefined;
  readonly log: FunctionLog;
  /** Epoch milliseconds; what releases are dated by. */
  readonly now: () => number;
}

interface Release extends FunctionVersion {
  readonly local: LocalFunction;
}

/** "$LATEST" of a function, its published versions and its aliases. They are those of the template at each start. */
export class DeployedFunction {
  readonly name: string;
  readonly arn: string;
  readonly role: string;
  readonly log: FunctionLog;
  readonly timeoutSeconds: number;
  readonly memoryMegabytes: number;
  readonly handler: string;
  readonly #options: DeployedFunctionOptions;
  /** Reserved concurrency is the function's, whatever the version. */
  readonly #concurrency = { running: 0 };
  readonly #published = new Map<string, Release>();
  readonly #aliases = new Map<string, { readonly version: string; readonly description: string }>();
  /** Code that was replaced, and may still be running. */
  readonly #replaced: LocalFunction[] = [];
  #latest: Release;

  constructor(options: DeployedFunctionOptions) {
    const { timeoutSeconds, memoryMegabytes } = options.definition('$LATEST');
    this.#options = options;
    this.name = options.name;
    this.arn = options.arn;
    this.role = options.role;
    this.log = options.log;
    this.handler = options.handler;
    this.timeoutSeconds = timeoutSeconds;
    this.memoryMegabytes = memoryMegabytes;
    this.#latest = this.#release('$LATEST', options.directory, '');
  }

  /** What `$LATEST` or nothing, a version or an alias stands for. @throws AwsError `ResourceNotFoundException` */
  version(qualifier = '$LATEST'): Release {
    const name = this.#aliases.get(qualifier)?.version ?? qualifier;
    const release = name === '$LATEST' ? this.#latest : this.#published.get(name);
    if (!release) throw notFound(`${this.arn}:${qualifier}`);
    return release;
  }

  /** `$LATEST` and the published versions, the oldest first. */
  get versions(): readonly FunctionVersion[] {
    return [this.#latest, ...this.#published.values()];
  }

  get aliases(): readonly string[] {
    return [...this.#aliases.keys()];
  }

  /** @throws AwsError `ResourceNotFoundException` */
  alias(name: string): { readonly version: string; readonly description: string } {
    const alias = this.#aliases.get(name);
    if (!alias) throw notFound(`${this.arn}:${name}`);
    return alias;
  }

  /** Points an alias, which may be new, at a version. @throws AwsError `ResourceNotFoundException` where there is no such version */
  setAlias(name: string, version: string, description = ''): void {
    if (version !== '$LATEST' && !this.#published.has(version)) throw notFound(`${this.arn}:${version}`);
    this.#aliases.set(name, { version, description });
  }

  /**
   * Replaces the code of `$LATEST` by the bundle in another directory, as UpdateFunctionCode does; invocations under way
   * end with the old one. Versions that were published keep theirs. For tests and drills, which play a release with it.
   */
  updateCode(directory: string): void {
    this.#replaced.push(this.#latest.local);
    this.#latest = this.#release('$LATEST', directory, '');
  }

  /** Publishes `$LATEST` as a version; the newest version again where the code is its code. */
  publish(description = ''): FunctionVersion {
    const newest = [...this.#published.values()].at(-1);
    if (newest?.codeSha256 === this.#latest.codeSha256) return newest;
    const version = String(this.#published.size + 1);
    const release = this.#release(version, this.#latest.directory, description);
    this.#published.set(version, release);
    return release;
  }

  /** Ends the environments of every version. */
  async close(): Promise<void> {
    const releases = [this.#latest, ...this.#published.values()].map(({ local }) => local);
    await Promise.all([...releases, ...this.#replaced].map(local => local.close()));
  }

  #release(version: string, directory: string, description: string): Release {
    const { handler, definition, maxEnvironments, faults, now } = this.#options;
    const dot = handler.lastIndexOf('.');
    const path = join(directory, `${handler.slice(0, dot)}.js`);
    const local = new LocalFunction(
      {
        ...definition(version),
        path,
        exportName: handler.slice(dot + 1),
        version,
        concurrency: this.#concurrency,
      },
      maxEnvironments,
      faults,
    );
    // A bundle that is not there fails when the function is invoked.
    const code = existsSync(path) ? readFileSync(path) : '';
    const codeSha256 = createHash('sha256').update(code).digest('base64');
    return { version, directory, codeSha256, description, lastModified: now(), local };
  }
}

const notFound = (arn: string): AwsError =>
  new AwsError('ResourceNotFoundException', `Function not found: ${arn}`, 404);
