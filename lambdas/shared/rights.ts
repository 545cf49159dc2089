import { z } from 'zod';

const pattern = z.string().min(1).max(129);
const patterns = z.array(pattern).max(200);

/** The `channels` claim of a token: what its bearer may read and write. */
export const rightsSchema = z.object({ read: patterns.default([]), write: patterns.default([]) });
export type Rights = z.infer<typeof rightsSchema>;

/** Rights of a client without a token, where the environment admits one. */
export const everything: Rights = { read: ['*'], write: ['*'] };

/** Channels of the service itself begin with this. No token of the issuer gives a right to them. */
const reserved = '_steadysocket/';
export const isReserved = (channel: string): boolean => channel.startsWith(reserved);
/** Where the probe publishes to itself. */
export const probeChannel = `${reserved}probe`;

/** A pattern is a channel's exact name, or a prefix that ends in `*`; no prefix reaches what is reserved. */
function matches(pattern: string, channel: string): boolean {
  if (isReserved(channel) || !pattern.endsWith('*')) return pattern === channel;
  return channel.startsWith(pattern.slice(0, -1));
}

export const mayRead = (rights: Rights, channel: string): boolean => rights.read.some(p => matches(p, channel));
export const mayWrite = (rights: Rights, channel: string): boolean => rights.write.some(p => matches(p, channel));
