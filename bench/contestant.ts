import type { Link } from './link.ts';

/** What a benchmark wants to know of a client. */
export interface ClientEvents {
  /** The connection is usable, for the first time or again. */
  opened(): void;
  /** It is not any more; the client comes back by itself. */
  lost(): void;
  /** Once or more, as the library delivers it. */
  message(n: number): void;
  /** The library says that messages of the channel are missing. */
  toldOfLoss(): void;
  /** A WebSocket that was open has ended, by this code. */
  closed?(code: number): void;
  /** A handshake was answered otherwise than with 101. */
  refused?(status: number): void;
}

export interface Client {
  /** Resolves when the service has taken it. */
  publish(channel: string, n: number): Promise<unknown>;
  close(): void;
}

export interface ConnectOptions {
  readonly user: string;
  readonly link: Link;
  /** Subscribed before `connect` resolves; without, the client only publishes. */
  readonly channel?: string;
  readonly events: ClientEvents;
}

/** A library and a service: a client that reconnects by itself. */
export type Connect = (options: ConnectOptions) => Promise<Client>;
