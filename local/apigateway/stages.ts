import type { z } from 'zod';
import type { Resource } from '../assembly/resource.ts';
import { type Declared, declarationError } from '../assembly/resource-properties.ts';
import type { Log } from '../aws/service.ts';
import type { stageProperties } from './declarations.ts';
import { createStageThrottle, type StageThrottle } from './quotas.ts';

export interface Stage {
  readonly name: string;
  readonly variables?: Readonly<Record<string, string>>;
  readonly throttle: StageThrottle;
}

/**
 * The stages of an API by name.
 * @throws TemplateError where there is none, or one that nothing is deployed to
 */
export function readStages(
  api: Resource,
  declarations: readonly Declared<z.output<typeof stageProperties>>[],
  log: Log,
): ReadonlyMap<string, Stage> {
  if (declarations.length === 0) throw declarationError(api, 'has no stage');
  return new Map(
    declarations.map(({ resource, properties }): [string, Stage] => {
      const { StageName: name, StageVariables: variables } = properties;
      if (!properties.AutoDeploy && properties.DeploymentId === undefined) {
        throw declarationError(resource, 'neither AutoDeploy nor DeploymentId: nothing would be deployed to the stage');
      }
      const throttle = createStageThrottle(resource, properties, log);
      return [name, { name, ...(variables ? { variables } : {}), throttle }];
    }),
  );
}
