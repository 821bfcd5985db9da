/** The examples of README and docs, run on the sources: the package's name is replaced, and training is shortened. test/package compiles them. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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

describe('the examples of README and docs', () => {
  beforeEach(() => {
    rmSync(FOLDER, { recursive: true, force: true });
    mkdirSync(FOLDER, { recursive: true });
    writeExampleFiles(FOLDER);
  });
  after(() => rmSync(FOLDER, { recursive: true, force: true }));

  it('has examples', () => {
    expect(scripts).to.have.length.of.at.least(8);
    expect(python).to.have.length.of.at.least(1);
  });

  it('links to pages that are there', () => {
    const pages = [
      'README.md',
      'CONTRIBUTING.md',
      'CHANGELOG.md',
      ...readdirSync(join(ROOT, 'docs')).map(name => `docs/${name}`),
    ];
    const broken: string[] = [];
    for (const page of pages.filter(name => name.endsWith('.md'))) {
      const text = readFileSync(join(ROOT, page), 'utf8').replaceAll(/```[\s\S]*?```|`[^`\n]*`/g, '');
      for (const [, target] of text.matchAll(/\]\(([^)\s#]+)(?:#[^)]*)?\)/g))
        if (!/^https?:/.test(target!) && !existsSync(join(ROOT, page, '..', target!)))
          broken.push(`${page}: ${target}`);
    }
    expect(broken).to.deep.equal([]);
  });

  it('says of every error what to do', () => {
    const classes = [...readFileSync(join(ROOT, 'src/errors.ts'), 'utf8').matchAll(/^export class (\w+)/gm)];
    const rows = [...readFileSync(join(ROOT, 'docs/faults.md'), 'utf8').matchAll(/^\| `(\w+)` \|/gm)];
    expect(rows.map(([, name]) => name).sort()).to.deep.equal(classes.map(([, name]) => name).sort());
  });

  for (const [index, { page, code, what }] of scripts.entries()) {
    it(`runs the TypeScript example ${index + 1} of all, ${what}, of ${page}`, () => {
      const imported = shortened(code).replace(/from '(monosemantic[^']*)'/g, (_, name: string) => {
        expect(SOURCES).to.have.property(name);
        return `from ${JSON.stringify(join(ROOT, SOURCES[name]!))}`;
      });
      const file = join(FOLDER, `example-${index}.ts`);
      writeFileSync(file, imported);
      writeFileSync(join(FOLDER, 'package.json'), '{ "type": "module" }');
      execFileSync(process.execPath, ['--import', 'tsx', file], { cwd: FOLDER, stdio: 'pipe' });
    });
  }

  for (const [index, { page, code }] of python.entries()) {
    it(`runs the Python example ${index + 1} of all, of ${page} (needs Python with onnxruntime)`, function () {
      try {
        execFileSync(PYTHON, ['-c', 'import numpy, onnxruntime'], { stdio: 'ignore' });
      } catch {
        this.skip();
      }
      execFileSync(PYTHON, ['-c', code], { cwd: FOLDER, stdio: 'pipe' });
    });
  }
});
