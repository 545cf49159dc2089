import { createCredentials } from '../../local/iam/credentials.ts';

export const region = 'eu-central-1';
export const credentials = createCredentials({ place: { partition: 'aws', account: '123456789012', region } });

/**
 * Puts the credentials of a function's role into the environment, as Lambda does, for the tests of a file.
 * @returns the ARN of who signs with them
 */
export function useRoleCredentials(): string {
  const keys = credentials.forRole('arn:aws:iam::123456789012:role/FanOut', 'test');
  const before = { ...process.env };
  beforeAll(() => {
    process.env.AWS_REGION = region;
    process.env.AWS_ACCESS_KEY_ID = keys.accessKeyId;
    process.env.AWS_SECRET_ACCESS_KEY = keys.secretAccessKey;
    process.env.AWS_SESSION_TOKEN = keys.sessionToken;
  });
  afterAll(() => {
    process.env = before;
  });
  return 'arn:aws:sts::123456789012:assumed-role/FanOut/test';
}
