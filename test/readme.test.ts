/** The README's examples, run as they stand: only the package's name is replaced by the sources. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** Inside node_modules, so that the examples' own imports are found. */
const FOLDER = join(ROOT, 'node_modules', '.cache', 'monosemantic', 'readme');
const PYTHON = process.env['MONOSEMANTIC_PYTHON'] ?? 'python3';

const SOURCES: Readonly<Record<string, string>> = {
  monosemantic: 'src/index.ts',
  'monosemantic/inference': 'src/inference/node.ts',
  'monosemantic/compile': 'src/compile/index.ts',
  'monosemantic/files': 'src/files/index.ts',
  'monosemantic/host': 'src/host/index.ts',
};

const blocks = [...readFileSync(join(ROOT, 'README.md'), 'utf8').matchAll(/```(ts|python)\n([\s\S]*?)```/g)].map(
  ([, language, code]) => ({ language, code: code! }),
);
/** The browser's example needs a page and a file input: test/package builds one with Vite. */
const scripts = blocks.filter(({ language, code }) => language === 'ts' && !code.includes('fileInput'));
const python = blocks.filter(({ language }) => language === 'python');

describe('the README', () => {
  before(() => {
    mkdirSync(join(FOLDER, 'models'), { recursive: true });
    writeFileSync(join(FOLDER, 'models', 'sae.onnx'), readFileSync(join(ROOT, 'models', 'sae.onnx')));
    // A language model and an autoencoder for it, under the names that the example gives them.
    for (const name of ['model.onnx', 'sae.onnx', 'ids.npy', 'mask.npy']) {
      writeFileSync(join(FOLDER, name), readFileSync(join(ROOT, 'test/host/language-model', name)));
    }
  });
  after(() => rmSync(FOLDER, { recursive: true, force: true }));

  it('has examples', () => {
    expect(scripts).to.have.length.of.at.least(3);
    expect(python).to.have.length.of.at.least(1);
  });

  for (const [index, { code }] of scripts.entries()) {
    it(`runs its TypeScript example ${index + 1}`, () => {
      const imported = code.replace(/from '(monosemantic[^']*)'/g, (_, name: string) => {
        expect(SOURCES).to.have.property(name);
        return `from ${JSON.stringify(join(ROOT, SOURCES[name]!))}`;
      });
      const file = join(FOLDER, `example-${index}.ts`);
      writeFileSync(file, imported);
      writeFileSync(join(FOLDER, 'package.json'), '{ "type": "module" }');
      execFileSync(process.execPath, ['--import', 'tsx', file], { cwd: FOLDER, stdio: 'pipe', timeout: 120_000 });
    }).timeout(120_000);
  }

  for (const [index, { code }] of python.entries()) {
    it(`runs its Python example ${index + 1} (needs Python with onnxruntime)`, function () {
      try {
        execFileSync(PYTHON, ['-c', 'import numpy, onnxruntime'], { stdio: 'ignore' });
      } catch {
        this.skip();
      }
      execFileSync(PYTHON, ['-c', code], { cwd: FOLDER, stdio: 'pipe' });
    }).timeout(60_000);
  }
});
