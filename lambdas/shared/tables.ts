/** Keys, indexes and times to live of the tables: what the functions ask for is what the stack creates. */

export const connectionsTable = {
  partitionKey: 'connectionId',
  byUser: { name: 'byUser', partitionKey: 'user' },
  byAddress: { name: 'byAddress', partitionKey: 'ip' },
  timeToLive: 'expiresAt',
} as const;

export const subscriptionsTable = {
  partitionKey: 'channelShard',
  sortKey: 'connectionId',
  timeToLive: 'expiresAt',
} as const;

export const messagesTable = { partitionKey: 'channel', sortKey: 'cursor', timeToLive: 'expiresAt' } as const;

export const operationsTable = { partitionKey: 'record', timeToLive: 'expiresAt' } as const;
