import { z } from 'zod';
import type { Place, Resource } from '../assembly/resource.ts';
import { declared, propertyError } from '../assembly/resource-properties.ts';
import { dashboardProperties } from './declarations.ts';
import { dashboardArn } from './identities.ts';

export interface Dashboard {
  readonly name: string;
  readonly arn: string;
  /** JSON text. */
  readonly body: string;
}

/** "Dashboard body structure and syntax": the grid has 24 columns; a dashboard 500 widgets. */
const body = z.looseObject({
  widgets: z
    .array(
      z.looseObject({
        type: z.enum(['metric', 'text', 'log', 'alarm', 'explorer', 'custom', 'trace', 'topology']),
        x: z.number().int().min(0).max(23).optional(),
        y: z.number().int().min(0).optional(),
        width: z.number().int().min(1).max(24).optional(),
        height: z.number().int().min(1).max(1000).optional(),
        properties: z.looseObject({}),
      }),
    )
    .max(500),
});

/**
 * The dashboards of a template. Nothing draws them here.
 * @throws TemplateError that names stack, logical id and property where a body is none
 */
export function readDashboards(resources: readonly Resource[], place: Place): Dashboard[] {
  return declared(resources, 'AWS::CloudWatch::Dashboard', dashboardProperties).map(({ resource, properties }) => {
    let json: unknown;
    try {
      json = JSON.parse(properties.DashboardBody);
    } catch {
      throw propertyError(resource, 'DashboardBody', 'is not JSON');
    }
    const read = body.safeParse(json);
    if (!read.success) throw propertyError(resource, 'DashboardBody', z.prettifyError(read.error));
    const name = resource.physicalId;
    return { name, arn: dashboardArn(name, place), body: properties.DashboardBody };
  });
}
