import { synthesized } from '../observability/synthesized.ts';
import { type AlarmTemplate, readAlarmTemplate } from './runner.ts';

const kept = new Map<string, Promise<AlarmTemplate>>();

/** The alarms of a service as it is synthesized for an environment. */
export function alarmTemplate(service: string, environment: string): Promise<AlarmTemplate> {
  const key = `${service}-${environment}`;
  const found =
    kept.get(key) ??
    synthesized(service, environment).then(({ directory }) => readAlarmTemplate(directory, service, environment));
  kept.set(key, found);
  return found;
}
