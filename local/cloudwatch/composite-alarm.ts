import type { Resource } from '../assembly/resource.ts';
import { declarationError, propertyError } from '../assembly/resource-properties.ts';
import { type AlarmRule, AlarmRuleError, alarmNameOf, alarmsOf, parseAlarmRule } from './alarm-rule.ts';
import type { CompositeAlarmProperties } from './declarations.ts';

/** An alarm on the states of others. */
export interface CompositeAlarm {
  readonly kind: 'composite';
  readonly resource: Resource;
  readonly name: string;
  readonly arn: string;
  readonly properties: CompositeAlarmProperties;
  readonly rule: AlarmRule;
  readonly suppressor: Suppressor | undefined;
}

export interface Suppressor {
  /** Name of the alarm that keeps actions back while it is in ALARM. */
  readonly alarm: string;
  readonly waitMs: number;
  readonly extensionMs: number;
}

/** "PutCompositeAlarm": a rule may name 100 alarms. */
const maxChildren = 100;

/**
 * Reads a composite alarm.
 * @param alarms names of all alarms of the template
 * @throws TemplateError that names stack, logical id and what is wrong
 */
export function readCompositeAlarm(
  resource: Resource,
  properties: CompositeAlarmProperties,
  alarms: ReadonlySet<string>,
): CompositeAlarm {
  const rule = ruleOf(resource, properties.AlarmRule);
  const children = alarmsOf(rule);
  if (children.size > maxChildren)
    throw propertyError(resource, 'AlarmRule', `${children.size} alarms are more than ${maxChildren}`);
  for (const child of children)
    if (!alarms.has(child)) throw propertyError(resource, 'AlarmRule', `${child} is not an alarm of the template`);
  const suppressor = suppressorOf(resource, properties);
  if (suppressor && !alarms.has(suppressor.alarm))
    throw propertyError(resource, 'ActionsSuppressor', `${suppressor.alarm} is not an alarm of the template`);
  const arn = resource.attributes.Arn ?? '';
  return { kind: 'composite', resource, name: resource.physicalId, arn, properties, rule, suppressor };
}

function ruleOf(resource: Resource, text: string): AlarmRule {
  try {
    return parseAlarmRule(text);
  } catch (error) {
    if (error instanceof AlarmRuleError) throw propertyError(resource, 'AlarmRule', error.message);
    throw error;
  }
}

function suppressorOf(resource: Resource, properties: CompositeAlarmProperties): Suppressor | undefined {
  const { ActionsSuppressor, ActionsSuppressorWaitPeriod, ActionsSuppressorExtensionPeriod } = properties;
  if (ActionsSuppressor === undefined) return undefined;
  if (ActionsSuppressorWaitPeriod === undefined || ActionsSuppressorExtensionPeriod === undefined)
    throw declarationError(
      resource,
      'ActionsSuppressor needs ActionsSuppressorWaitPeriod and ActionsSuppressorExtensionPeriod',
    );
  return {
    alarm: alarmNameOf(ActionsSuppressor),
    waitMs: ActionsSuppressorWaitPeriod * 1000,
    extensionMs: ActionsSuppressorExtensionPeriod * 1000,
  };
}

/**
 * Composite alarms in an order in which each comes after those that it depends on.
 * @throws TemplateError where they go round in a circle
 */
export function inOrder(composites: readonly CompositeAlarm[]): CompositeAlarm[] {
  const byName = new Map(composites.map(alarm => [alarm.name, alarm]));
  const ordered = new Set<CompositeAlarm>();
  const underWay = new Set<CompositeAlarm>();
  function visit(alarm: CompositeAlarm): void {
    if (ordered.has(alarm)) return;
    if (underWay.has(alarm)) throw declarationError(alarm.resource, 'depends on its own state');
    underWay.add(alarm);
    for (const name of [...alarmsOf(alarm.rule), ...(alarm.suppressor ? [alarm.suppressor.alarm] : [])]) {
      const other = byName.get(name);
      if (other) visit(other);
    }
    ordered.add(alarm);
  }
  for (const alarm of composites) visit(alarm);
  return [...ordered];
}
