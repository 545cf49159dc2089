import { z } from 'zod';
import type { Resource } from '../../../local/assembly/resource.ts';
import {
  declarationError,
  declared,
  propertyError,
  readProperties,
} from '../../../local/assembly/resource-properties.ts';
import { TemplateError } from '../../../local/assembly/template-error.ts';

const resource = (type: string, properties: Record<string, unknown>): Resource => ({
  stack: 'shop-dev',
  logicalId: 'Jobs',
  type,
  properties,
  physicalId: 'jobs',
  attributes: {},
});
const schema = z.strictObject({
  Size: z.coerce.number().default(1),
  Nested: z.strictObject({ Name: z.string() }).optional(),
});

test('gives the resources of a type with their properties read', () => {
  const queue = resource('AWS::SQS::Queue', { Size: '5' });
  const others = resource('AWS::SNS::Topic', { Size: 'not read' });
  expect(declared([queue, others], 'AWS::SQS::Queue', schema)).toEqual([{ resource: queue, properties: { Size: 5 } }]);
});

test('names stack, logical id, type and every property that is wrong or not known', () => {
  const wrong = resource('AWS::SQS::Queue', { Size: 'many', Nested: { Name: 1, Colour: 'red' }, Tags: [], Policy: {} });
  expect(() => readProperties(wrong, schema)).toThrow(
    new TemplateError(
      'shop-dev.Jobs (AWS::SQS::Queue): ' +
        'property Size: Invalid input: expected number, received NaN; ' +
        'property Nested.Name: Invalid input: expected string, received number; ' +
        'property Nested.Colour: the local environment does not run it; ' +
        'property Tags: the local environment does not run it; ' +
        'property Policy: the local environment does not run it',
    ),
  );
});

test('other errors of a declaration read alike', () => {
  const queue = resource('AWS::SQS::Queue', {});
  expect(declarationError(queue, 'is one too many')).toEqual(
    new TemplateError('shop-dev.Jobs (AWS::SQS::Queue): is one too many'),
  );
  expect(propertyError(queue, 'Size', 'is too small')).toEqual(
    new TemplateError('shop-dev.Jobs (AWS::SQS::Queue): property Size: is too small'),
  );
});
