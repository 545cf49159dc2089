import { GetAliasCommand, type LambdaClient, paginateListVersionsByFunction } from '@aws-sdk/client-lambda';

/** The version of a function that its alias points at. */
export interface LiveVersion {
  readonly functionName: string;
  readonly alias: string;
  readonly version: string;
  /** Changes with every change of the alias. */
  readonly revisionId: string;
  /** Epoch milliseconds, by Lambda's clock. */
  readonly publishedAt: number;
  /** The one published before; absent where there is none. */
  readonly before?: string;
}

/** A deployment publishes the versions of the functions that it changes within this time, in milliseconds. */
const deploymentMs = 30 * 60_000;

/** @throws Error where Lambda cannot be asked */
export async function liveVersions(
  client: LambdaClient,
  functionNames: readonly string[],
  alias: string,
): Promise<readonly LiveVersion[]> {
  return Promise.all(
    functionNames.map(async functionName => {
      const { FunctionVersion: version = '$LATEST', RevisionId: revisionId = '' } = await client.send(
        new GetAliasCommand({ FunctionName: functionName, Name: alias }),
      );
      const published: { readonly number: number; readonly at: number }[] = [];
      for await (const { Versions = [] } of paginateListVersionsByFunction({ client }, { FunctionName: functionName }))
        for (const { Version, LastModified } of Versions)
          if (Version !== '$LATEST') published.push({ number: Number(Version), at: Date.parse(LastModified ?? '') });
      const current = published.find(({ number }) => String(number) === version);
      if (!current || Number.isNaN(current.at))
        throw new Error(`${functionName}: the version ${version} of the alias ${alias} has no date`);
      const before = Math.max(...published.map(({ number }) => number).filter(number => number < current.number));
      return {
        functionName,
        alias,
        version,
        revisionId,
        publishedAt: current.at,
        ...(Number.isFinite(before) && { before: String(before) }),
      };
    }),
  );
}

/** Those that the last deployment published. */
export function lastRelease(live: readonly LiveVersion[]): readonly LiveVersion[] {
  const newest = Math.max(...live.map(({ publishedAt }) => publishedAt));
  return live.filter(({ publishedAt }) => newest - publishedAt < deploymentMs);
}
