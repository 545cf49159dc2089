import { z } from 'zod';
import { sessionSchema } from './session.ts';

const requestContext = z.object({
  connectionId: z.string().min(1),
  /** Epoch milliseconds. */
  connectedAt: z.number(),
  identity: z.object({ sourceIp: z.string() }),
  authorizer: sessionSchema,
});

/** What the functions read of API Gateway's WebSocket events. */
export const connectEvent = z.object({
  headers: z.record(z.string(), z.string()).default({}),
  requestContext,
});
export const messageEvent = z.object({ body: z.string().default(''), requestContext });
export const disconnectEvent = z.object({
  requestContext: requestContext.pick({ connectionId: true, connectedAt: true }).extend({
    disconnectStatusCode: z.number().optional(),
    disconnectReason: z.string().optional(),
  }),
});
