import { join } from 'node:path';
import { AssetHashType, DockerImage } from 'aws-cdk-lib';
import { Code } from 'aws-cdk-lib/aws-lambda';
import { buildSync } from 'esbuild';

const lambdas = join(import.meta.dirname, '..', '..', 'lambdas');

/**
 * The code of a function: its folder's `index.ts` with all it imports in one file, the AWS SDK included, so that what was
 * tested runs and not what the runtime happens to have. (CDK's `NodejsFunction` does the same in a process of its own
 * for each function, which takes a synth of eight functions from 3 s to 13 s.)
 */
export const bundledCode = (folder: string): Code =>
  Code.fromAsset(join(lambdas, folder), {
    assetHashType: AssetHashType.OUTPUT,
    bundling: {
      // Required by the type; the local bundling below never falls back to it.
      image: DockerImage.fromRegistry('none'),
      local: {
        tryBundle(outputDirectory) {
          buildSync({
            entryPoints: [join(lambdas, folder, 'index.ts')],
            outfile: join(outputDirectory, 'index.js'),
            bundle: true,
            platform: 'node',
            target: 'node24',
            format: 'cjs',
            // The ES modules of a package, where it has them, leave out what is not used.
            mainFields: ['module', 'main'],
            minify: true,
            sourcemap: 'linked',
            sourcesContent: false,
            logLevel: 'warning',
          });
          return true;
        },
      },
    },
  });
