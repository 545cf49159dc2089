import type { Runbook } from '../runbook/runbook.ts';
import type { Settings } from '../runbook/settings.ts';
import { conflicts } from '../runbook/settings-rules.ts';
import type { Environment } from './environment.ts';
import { EnvironmentErrors } from './environment-errors.ts';

/**
 * The runbook's settings with what the environment sets instead.
 * @throws EnvironmentErrors if an override does not go together with the rest
 */
export function effectiveSettings(
  runbook: Pick<Runbook, 'service' | 'settings'>,
  environment: Pick<Environment, 'name' | 'limits'>,
): Settings {
  const settings = { ...runbook.settings, ...environment.limits };
  const found = conflicts(settings);
  if (found.length > 0) {
    throw new EnvironmentErrors(
      `${runbook.service} in ${environment.name}`,
      found.map(({ field, read, expected }) => `${field}: ${read}; expected ${expected}`),
    );
  }
  return settings;
}
