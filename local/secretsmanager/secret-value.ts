import { randomInt } from 'node:crypto';
import { z } from 'zod';

/** "AWS::SecretsManager::Secret GenerateSecretString". */
export const generateSecretString = z.strictObject({
  PasswordLength: z.number().int().min(1).max(4096).default(32),
  ExcludeCharacters: z.string().default(''),
  ExcludeLowercase: z.boolean().default(false),
  ExcludeUppercase: z.boolean().default(false),
  ExcludeNumbers: z.boolean().default(false),
  ExcludePunctuation: z.boolean().default(false),
  IncludeSpace: z.boolean().default(false),
  RequireEachIncludedType: z.boolean().default(true),
  SecretStringTemplate: z.string().optional(),
  GenerateStringKey: z.string().optional(),
});

type Generation = z.output<typeof generateSecretString>;

const pick = (characters: string): string => characters.charAt(randomInt(characters.length));

/** @throws Error where the exclusions leave nothing, or the template is no JSON object */
export function generateSecret(generation: Generation): string {
  const { ExcludeCharacters, PasswordLength, RequireEachIncludedType } = generation;
  const types = [
    generation.ExcludeLowercase ? '' : 'abcdefghijklmnopqrstuvwxyz',
    generation.ExcludeUppercase ? '' : 'ABCDEFGHIJKLMNOPQRSTUVWXYZ',
    generation.ExcludeNumbers ? '' : '0123456789',
    generation.ExcludePunctuation ? '' : '!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~',
    generation.IncludeSpace ? ' ' : '',
  ]
    .map(type => [...type].filter(character => !ExcludeCharacters.includes(character)).join(''))
    .filter(type => type !== '');
  if (types.length === 0) throw new Error('the exclusions leave no character');
  const required = RequireEachIncludedType ? types.map(pick) : [];
  if (required.length > PasswordLength) throw new Error('PasswordLength is too short for one of each type');
  const characters = [...required];
  while (characters.length < PasswordLength) characters.push(pick(types.join('')));
  for (let index = characters.length - 1; index > 0; index -= 1) {
    const other = randomInt(index + 1);
    [characters[index], characters[other]] = [characters[other] as string, characters[index] as string];
  }
  const password = characters.join('');
  const { SecretStringTemplate, GenerateStringKey } = generation;
  if (SecretStringTemplate === undefined || GenerateStringKey === undefined) return password;
  const template = z.record(z.string(), z.unknown()).parse(JSON.parse(SecretStringTemplate));
  return JSON.stringify({ ...template, [GenerateStringKey]: password });
}
