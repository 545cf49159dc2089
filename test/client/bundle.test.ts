import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

it('bundles for browsers into less than 10 KB, with nothing but itself', async () => {
  const { outputFiles, metafile } = await build({
    entryPoints: [join(__dirname, '../../client/index.ts')],
    bundle: true,
    minify: true,
    // Fails on what browsers do not have, as Node's modules.
    platform: 'browser',
    format: 'esm',
    target: 'es2022',
    write: false,
    metafile: true,
  });
  const [bundle] = outputFiles;
  if (!bundle) throw new Error('no bundle');
  expect(Object.keys(metafile.inputs).filter(file => !file.startsWith('client/'))).toEqual([]);
  expect(gzipSync(bundle.contents).length).toBeLessThan(10 * 1024);
});
