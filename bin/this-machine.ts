import { readEndpoints } from '../local/endpoints.ts';
import { createCredentials } from '../local/iam/credentials.ts';

/**
 * The environment that runs on this machine, and what the AWS SDK needs to call it as its developer.
 * @param instead what can be given in place of it, for the error
 * @throws Error where none runs with this state directory
 */
export async function onThisMachine(stateDirectory: string, instead: string) {
  const endpoints = await readEndpoints(stateDirectory);
  if (!endpoints)
    throw new Error(`no environment runs with the state directory ${stateDirectory}; npm start, or give ${instead}`);
  const { awsUrl, region } = endpoints;
  const { developer } = createCredentials({ place: { partition: 'aws', account: '', region } });
  return { endpoints, configuration: { endpoint: awsUrl, region, credentials: developer } };
}
