/**
 * When a JWT ends, epoch milliseconds, read without verifying it, which is the service's to do; undefined where it does not
 * say or is none.
 */
export function tokenExpiry(token: string): number | undefined {
  try {
    const [, claims = ''] = token.split('.');
    // The text is taken for Latin-1 here, which leaves numbers as they are.
    const { exp } = JSON.parse(atob(claims.replaceAll('-', '+').replaceAll('_', '/')));
    return typeof exp === 'number' ? exp * 1000 : undefined;
  } catch {
    return undefined;
  }
}
