/** The reader of bundles needs nothing that a browser lacks, and little at all. */
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { build } from 'esbuild';

describe('features: what reading needs', () => {
  it('bundles for a browser, from its own room and files/ alone', async () => {
    const { metafile, outputFiles } = await build({
      entryPoints: [fileURLToPath(new URL('../../src/features/index.ts', import.meta.url))],
      bundle: true,
      format: 'esm',
      platform: 'browser',
      minify: true,
      metafile: true,
      write: false,
    });
    const rooms = Object.keys(metafile.inputs).map(
      path => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? /src\/([a-z]+)[/.]/.exec(path)?.[1],
    );
    expect([...new Set(rooms)]).to.have.members(['features', 'files', 'errors', 'tensor', '@petamoriken/float16']);
    expect(outputFiles[0]!.contents.byteLength).to.be.below(40_000);
  });
});
