/** The README's examples, run on the sources: the package's name is replaced, and training is shortened. test/package compiles them. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { README_EXAMPLES, shortened, writeExampleFiles } from './support/readme-examples.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** Inside node_modules, so that the examples' own imports are found. */
const FOLDER = join(ROOT, 'node_modules', '.cache', 'monosemantic', 'readme');
const PYTHON = process.env['MONOSEMANTIC_PYTHON'] ?? 'python3';

const SOURCES: Readonly<Record<string, string>> = {
  monosemantic: 'src/index.ts',
  'monosemantic/analysis': 'src/analysis/index.ts',
  'monosemantic/inference': 'src/inference/node.ts',
  'monosemantic/compile': 'src/compile/index.ts',
  'monosemantic/files': 'src/files/index.ts',
  'monosemantic/host': 'src/host/index.ts',
};

/** The browser's example needs a page and a file input: test/package builds one with Vite. */
const scripts = README_EXAMPLES.filter(({ language, isForPage }) => language === 'ts' && !isForPage);
const python = README_EXAMPLES.filter(({ language }) => language === 'python');

describe('the README', () => {
  beforeEach(() => {
    rmSync(FOLDER, { recursive: true, force: true });
    mkdirSync(FOLDER, { recursive: true });
    writeExampleFiles(FOLDER);
  });
  after(() => rmSync(FOLDER, { recursive: true, force: true }));

  it('has examples', () => {
    expect(scripts).to.have.length.of.at.least(6);
    expect(python).to.have.length.of.at.least(1);
  });

  for (const [index, { code, what }] of scripts.entries()) {
    it(`runs its TypeScript example ${index + 1}, ${what}`, () => {
      const imported = shortened(code).replace(/from '(monosemantic[^']*)'/g, (_, name: string) => {
        expect(SOURCES).to.have.property(name);
        return `from ${JSON.stringify(join(ROOT, SOURCES[name]!))}`;
      });
      const file = join(FOLDER, `example-${index}.ts`);
      writeFileSync(file, imported);
      writeFileSync(join(FOLDER, 'package.json'), '{ "type": "module" }');
      execFileSync(process.execPath, ['--import', 'tsx', file], { cwd: FOLDER, stdio: 'pipe', timeout: 240_000 });
    }).timeout(240_000);
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
