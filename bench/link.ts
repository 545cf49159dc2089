import { Agent, type ClientRequestArgs } from 'node:http';
import { createConnection, type Socket } from 'node:net';

/** One client's way to the network, which can be cut: the same for every library, since all of them connect through an agent. */
export class Link extends Agent {
  readonly #localAddress: string;
  readonly #sockets = new Set<Socket>();
  #isCut = false;

  /** @param localAddress where its connections come from */
  constructor(localAddress: string) {
    super({ keepAlive: false });
    this.#localAddress = localAddress;
  }

  override createConnection(
    { host, port }: ClientRequestArgs,
    callback?: (error: Error | null, stream: Socket) => void,
  ): Socket | undefined {
    if (this.#isCut) {
      // As of a machine without a network. Node gives no stream with an error, whatever the type says.
      const error = Object.assign(new Error('connect ENETUNREACH'), { code: 'ENETUNREACH' });
      process.nextTick(() => callback?.(error, undefined as never));
      return undefined;
    }
    const socket = createConnection({
      host: host ?? '127.0.0.1',
      port: Number(port),
      localAddress: this.#localAddress,
    });
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    return socket;
  }

  /** Ends what is open without a word, and lets nothing through until `restore`. @returns whether something was open */
  cut(): boolean {
    this.#isCut = true;
    const wasOpen = this.#sockets.size > 0;
    for (const socket of this.#sockets) socket.resetAndDestroy();
    return wasOpen;
  }

  restore(): void {
    this.#isCut = false;
  }
}

/**
 * An address of this machine for a client, since clients of a service do not all come from one: there is a limit on each, and
 * one has some 28,000 ports. All of 127.0.0.0/8 is this machine on Linux, and 127.0.0.1 alone elsewhere.
 */
export const addressOf = (client: number): string =>
  process.platform === 'linux' ? `127.0.1.${1 + (client % 250)}` : '127.0.0.1';
