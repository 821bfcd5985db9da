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
    // Packages and rooms; single files of src/ belong to all rooms.
    const parts = Object.keys(metafile.inputs).map(
      path => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? /src\/([a-z]+)\//.exec(path)?.[1] ?? 'src',
    );
    expect([...new Set(parts)]).to.have.members(['features', 'files', 'src', '@petamoriken/float16']);
    expect(outputFiles[0]!.contents.byteLength).to.be.below(40_000);
  });
});
