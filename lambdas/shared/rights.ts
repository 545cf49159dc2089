import { z } from 'zod';

const pattern = z.string().min(1).max(129);
const patterns = z.array(pattern).max(200);

/** The `channels` claim of a token: what its bearer may read and write. */
export const rightsSchema = z.object({ read: patterns.default([]), write: patterns.default([]) });
export type Rights = z.infer<typeof rightsSchema>;

/** Rights of a client without a token, where the environment admits one. */
export const everything: Rights = { read: ['*'], write: ['*'] };

/** A pattern is a channel's exact name, or a prefix that ends in `*`. */
const matches = (pattern: string, channel: string): boolean =>
  pattern.endsWith('*') ? channel.startsWith(pattern.slice(0, -1)) : pattern === channel;

export const mayRead = (rights: Rights, channel: string): boolean => rights.read.some(p => matches(p, channel));
export const mayWrite = (rights: Rights, channel: string): boolean => rights.write.some(p => matches(p, channel));
