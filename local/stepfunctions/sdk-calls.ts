import type { KeyPair } from '../iam/credentials.ts';
import { javaException } from './integrations.ts';
import { runtimeError, StateError } from './state-error.ts';

/** Calls an action with its parameters in the API's PascalCase. @throws StateError */
export type SdkCommand = (parameters: Readonly<Record<string, unknown>>, keys: KeyPair) => Promise<unknown>;

export interface SdkCalls {
  /** Services of `aws-sdk:` resources. */
  readonly services: readonly string[];
  /**
   * @param errors what names of errors begin with, and what those without a name of their own are called
   * @throws Error where the service or the action is not offered
   */
  command(service: string, action: string, errors?: readonly [prefix: string, other: string]): Promise<SdkCommand>;
  close(): void;
}

interface SdkService {
  readonly load: () => Promise<object>;
  readonly client: string;
  /** The name in errors, as that of the SDK for Java's package. */
  readonly name: string;
  /** Members of the API begin with a lower-case letter; Step Functions takes and gives them in PascalCase. */
  readonly isCamelCase?: boolean;
}

/** The services that run here and whose SDK client is installed. */
const sdkServices: Readonly<Record<string, SdkService>> = {
  cloudwatch: { load: () => import('@aws-sdk/client-cloudwatch'), client: 'CloudWatchClient', name: 'CloudWatch' },
  dynamodb: { load: () => import('@aws-sdk/client-dynamodb'), client: 'DynamoDBClient', name: 'DynamoDb' },
  lambda: { load: () => import('@aws-sdk/client-lambda'), client: 'LambdaClient', name: 'Lambda' },
  secretsmanager: {
    load: () => import('@aws-sdk/client-secrets-manager'),
    client: 'SecretsManagerClient',
    name: 'SecretsManager',
  },
  sfn: { load: () => import('@aws-sdk/client-sfn'), client: 'SFNClient', name: 'Sfn', isCamelCase: true },
  sqs: { load: () => import('@aws-sdk/client-sqs'), client: 'SQSClient', name: 'Sqs' },
};

interface Client {
  send(command: object): Promise<object>;
  destroy(): void;
}

type Constructors = Readonly<Record<string, new (input: object) => object>>;

/**
 * Calls AWS's APIs at the local endpoint with the SDK's clients, signed by the role of a state machine: permissions,
 * quotas and errors are those of every other caller.
 */
export function createSdkCalls({
  endpoint,
  region,
}: {
  /** Read at the first call. */
  readonly endpoint: () => string;
  readonly region: string;
}): SdkCalls {
  const clients = new Map<string, Client>();
  return {
    services: Object.keys(sdkServices),
    async command(service, action, errors) {
      const found = Object.hasOwn(sdkServices, service) ? sdkServices[service] : undefined;
      if (!found) throw new Error(`aws-sdk:${service} cannot be run here; ${Object.keys(sdkServices).join(', ')} can`);
      const { client: clientName, name, isCamelCase = false } = found;
      const module = (await found.load()) as Constructors;
      const Command = module[`${action.charAt(0).toUpperCase()}${action.slice(1)}Command`];
      if (!Command) throw new Error(`${service} has no action ${action}`);
      const [prefix, other] = errors ?? [name, `${name}Exception`];
      return async (parameters, keys) => {
        const key = `${service} ${keys.accessKeyId}`;
        let client = clients.get(key);
        if (!client) {
          const Constructor = module[clientName] as Constructors[string];
          // The queue's URL names AWS; the request goes to the local endpoint all the same.
          const configuration = { region, endpoint: endpoint(), credentials: keys, useQueueUrlAsEndpoint: false };
          client = new Constructor(configuration) as Client;
          clients.set(key, client);
        }
        try {
          const { $metadata: _, ...answer } = (await client.send(
            new Command(request(parameters, isCamelCase) as object),
          )) as Record<string, unknown>;
          return response(answer, isCamelCase);
        } catch (error) {
          throw stateError(error as Error, module, prefix, other);
        }
      };
    },
    close() {
      for (const client of clients.values()) client.destroy();
    },
  };
}

function stateError(error: Error, module: Constructors, prefix: string, other: string): StateError {
  const metadata = (error as { $metadata?: { httpStatusCode?: number } }).$metadata;
  if (metadata?.httpStatusCode === undefined) {
    if (error instanceof TypeError) return runtimeError(`The parameters cannot be sent: ${error.message}`);
    return new StateError(`${prefix}.SdkClientException`, error.message);
  }
  // What the API declares has a class of its own; a denial, or a throttling of the front door, has not.
  const declared = Object.hasOwn(module, error.name) && error.name !== 'AccessDeniedException';
  const cause = `${error.message} (Service: ${prefix}, Status Code: ${metadata.httpStatusCode})`;
  return new StateError(`${prefix}.${declared ? javaException(error.name) : other}`, cause);
}

/** Members that hold a time. The SDKs for JavaScript take no text for it, Step Functions does. */
const timeMember = /(Time|Timestamp|Date|After|Before)$/;

function request(value: unknown, isCamelCase: boolean, member = ''): unknown {
  if (Array.isArray(value)) return value.map(each => request(each, isCamelCase));
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(
      Object.entries(value).map(([key, each]) => [
        isCamelCase ? key.charAt(0).toLowerCase() + key.slice(1) : key,
        request(each, isCamelCase, key),
      ]),
    );
  return timeMember.test(member) && typeof value === 'string' && !Number.isNaN(Date.parse(value))
    ? new Date(value)
    : value;
}

function response(value: unknown, isCamelCase: boolean): unknown {
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (Array.isArray(value)) return value.map(each => response(each, isCamelCase));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, each]) => each !== undefined)
      .map(([key, each]) => [
        isCamelCase ? key.charAt(0).toUpperCase() + key.slice(1) : key,
        response(each, isCamelCase),
      ]),
  );
}
