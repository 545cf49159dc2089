import { createHash } from 'node:crypto';

/**
 * A name such as CloudFormation generates for a resource that declares none: stack, logical id and a suffix, but the
 * suffix follows from both, so that state found at the next start still belongs to the resource.
 */
export function generatedName(stack: string, logicalId: string, maxLength: number, ending = ''): string {
  const suffix = createHash('sha256').update(`${stack}/${logicalId}`).digest('hex').slice(0, 12).toUpperCase();
  const room = maxLength - suffix.length - ending.length - 1;
  return `${`${stack}-${logicalId}`.slice(0, room)}-${suffix}${ending}`;
}
