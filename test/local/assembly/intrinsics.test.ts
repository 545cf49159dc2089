import { resolve, type Scope } from '../../../local/assembly/intrinsics.ts';
import { TemplateError } from '../../../local/assembly/template-error.ts';

const scope: Scope = {
  stack: 'shop-dev',
  place: { partition: 'aws', account: '123456789012', region: 'eu-central-1' },
  identity(logicalId) {
    if (logicalId !== 'Orders') throw new TemplateError(`shop-dev refers to ${logicalId}, which it does not declare`);
    return { physicalId: 'https://queue/orders', attributes: { Arn: 'arn:orders', 'Endpoint.Address': 'host' } };
  },
  exported(name) {
    if (name !== 'shared-table') throw new TemplateError(`no stack exports ${name}`);
    return 'table-1';
  },
};
const resolved = (value: unknown) => resolve(value, scope);

test.each([
  ['Ref of a resource', { Ref: 'Orders' }, 'https://queue/orders'],
  ['Ref of AWS::AccountId', { Ref: 'AWS::AccountId' }, '123456789012'],
  ['Ref of AWS::Region', { Ref: 'AWS::Region' }, 'eu-central-1'],
  ['Ref of AWS::Partition', { Ref: 'AWS::Partition' }, 'aws'],
  ['Ref of AWS::URLSuffix', { Ref: 'AWS::URLSuffix' }, 'amazonaws.com'],
  ['Ref of AWS::StackName', { Ref: 'AWS::StackName' }, 'shop-dev'],
  [
    'Ref of AWS::StackId',
    { Ref: 'AWS::StackId' },
    'arn:aws:cloudformation:eu-central-1:123456789012:stack/shop-dev/local',
  ],
  ['Fn::GetAtt with a list', { 'Fn::GetAtt': ['Orders', 'Arn'] }, 'arn:orders'],
  ['Fn::GetAtt with dots', { 'Fn::GetAtt': 'Orders.Endpoint.Address' }, 'host'],
  ['Fn::Join', { 'Fn::Join': ['-', ['a', { Ref: 'AWS::Region' }, 3]] }, 'a-eu-central-1-3'],
  ['Fn::Join of Fn::Split', { 'Fn::Join': ['/', { 'Fn::Split': [':', 'a:b:c'] }] }, 'a/b/c'],
  ['Fn::Split', { 'Fn::Split': [':', { 'Fn::GetAtt': ['Orders', 'Arn'] }] }, ['arn', 'orders']],
  ['Fn::Select', { 'Fn::Select': [1, { 'Fn::Split': [':', 'a:b'] }] }, 'b'],
  ['Fn::Select by a string', { 'Fn::Select': ['0', ['a', 'b']] }, 'a'],
  [
    'Fn::Sub',
    { 'Fn::Sub': `\${AWS::Region}/\${Orders}/\${Orders.Arn}` },
    'eu-central-1/https://queue/orders/arn:orders',
  ],
  [
    'Fn::Sub with variables',
    { 'Fn::Sub': [`\${Name}-\${AWS::Region}`, { Name: { Ref: 'AWS::StackName' } }] },
    'shop-dev-eu-central-1',
  ],
  ['Fn::Sub with a literal', { 'Fn::Sub': `\${!Orders}` }, `\${Orders}`],
  ['Fn::ImportValue', { 'Fn::ImportValue': { 'Fn::Sub': 'shared-table' } }, 'table-1'],
])('%s', (_what, value, expected) => {
  expect(resolved(value)).toEqual(expected);
});

test('functions are resolved at any depth; everything else stays as it is', () => {
  expect(resolved({ a: [{ b: { Ref: 'Orders' } }, 1, true, null], Ref: 'x', other: { 'Fn::Sub': 's' } })).toEqual({
    a: [{ b: 'https://queue/orders' }, 1, true, null],
    Ref: 'x',
    other: 's',
  });
});

test('AWS::NoValue takes the property or the item away', () => {
  const noValue = { Ref: 'AWS::NoValue' };
  expect(resolved({ kept: 1, gone: noValue, list: ['a', noValue] })).toEqual({ kept: 1, list: ['a'] });
  expect(Object.keys(resolved({ gone: noValue }) as object)).toEqual([]);
});

test.each([
  [
    'a function that is not known',
    { 'Fn::FindInMap': ['a', 'b', 'c'] },
    'Fn::FindInMap in shop-dev cannot be resolved',
  ],
  ['a function deep inside', { a: [{ b: { 'Fn::If': ['c', 1, 2] } }] }, 'Fn::If in shop-dev cannot be resolved'],
  ['a reference to nothing', { Ref: 'Gone' }, 'shop-dev refers to Gone, which it does not declare'],
  ['a reference to nothing in Fn::Sub', { 'Fn::Sub': `\${Gone}` }, 'shop-dev refers to Gone'],
  ['an attribute that is not there', { 'Fn::GetAtt': ['Orders', 'Colour'] }, 'shop-dev.Orders has no attribute Colour'],
  ['an import of nothing', { 'Fn::ImportValue': 'gone' }, 'no stack exports gone'],
  ['Fn::Join of no list', { 'Fn::Join': [',', 'a'] }, 'Fn::Join in shop-dev is given string, a list was expected'],
  ['Fn::Join of a list alone', { 'Fn::Join': 'a' }, 'Fn::Join in shop-dev is given "a", two arguments were expected'],
  ['Fn::Select beyond the list', { 'Fn::Select': [2, ['a', 'b']] }, 'Fn::Select in shop-dev: the list has no item 2'],
])('%s is an error that names it', (_what, value, message) => {
  expect(() => resolved(value)).toThrow(
    expect.objectContaining({ name: 'TemplateError', message: expect.stringContaining(message) }),
  );
});
