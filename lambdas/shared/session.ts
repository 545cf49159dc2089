import { z } from 'zod';
import { rightsSchema } from './rights.ts';

/**
 * What the authorizer found out about a client. API Gateway hands it to every later event of the connection as flat
 * strings (authorizer context holds no objects).
 */
export const sessionSchema = z.object({
  /** Absent for an anonymous client. */
  user: z.string().optional(),
  rights: z
    .string()
    .transform((text, context) => {
      try {
        return JSON.parse(text) as unknown;
      } catch {
        context.addIssue('rights are not JSON');
        return z.NEVER;
      }
    })
    .pipe(rightsSchema),
  /** Epoch milliseconds at which the token ends; absent for an anonymous client. */
  tokenExpiresAt: z.coerce.number().optional(),
  clientVersion: z.string().optional(),
  /** The service's own probe. API Gateway makes text of every value. */
  probe: z
    .literal('true')
    .transform(() => true as const)
    .optional(),
});
export type Session = z.infer<typeof sessionSchema>;

export type SessionContext = Readonly<Record<string, string>>;

export function sessionContext(session: Session): SessionContext {
  return {
    rights: JSON.stringify(session.rights),
    ...(session.user !== undefined && { user: session.user }),
    ...(session.tokenExpiresAt !== undefined && { tokenExpiresAt: String(session.tokenExpiresAt) }),
    ...(session.clientVersion !== undefined && { clientVersion: session.clientVersion }),
    ...(session.probe && { probe: 'true' }),
  };
}
