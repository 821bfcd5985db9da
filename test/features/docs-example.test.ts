/** The example of docs/bundle-format.md: its types, and what it prints. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { writeNpy } from '../../src/files/npy.ts';
import { normals, writeCase } from './bundle-cases.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** Inside node_modules, so that imports are found. */
const FOLDER = join(ROOT, 'node_modules', '.cache', 'monosemantic', 'bundle-example');

describe('the example of docs/bundle-format.md', () => {
  before(() => {
    const [, code] = /```ts\n([\s\S]*?)```/.exec(readFileSync(join(ROOT, 'docs', 'bundle-format.md'), 'utf8'))!;
    writeCase(FOLDER, { seed: 3, rows: 1, dIn: 8, dSae: 20, k: 2 });
    writeFileSync(join(FOLDER, 'acts.npy'), writeNpy({ data: normals(1, 8 * 300), shape: [300, 8] }));
    const labels = Array.from({ length: 300 }, (_, row) => (row % 3 === 0 ? 'a' : 'b'));
    writeFileSync(join(FOLDER, 'labels.csv'), `letter\n${labels.join('\n')}\n`);
    mkdirSync(FOLDER, { recursive: true });
    const source = relative(FOLDER, join(ROOT, 'src', 'features', 'node.ts'));
    writeFileSync(join(FOLDER, 'example.ts'), code!.replace("'monosemantic/features'", JSON.stringify(source)));
    writeFileSync(join(FOLDER, 'package.json'), '{ "type": "module" }');
    writeFileSync(
      join(FOLDER, 'tsconfig.json'),
      JSON.stringify({ extends: join(ROOT, 'tsconfig.json'), include: ['example.ts'] }),
    );
  });
  after(() => rmSync(FOLDER, { recursive: true, force: true }));

  it('compiles', () => {
    const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
    execFileSync(process.execPath, [tsc, '--noEmit', '-p', FOLDER], { stdio: 'pipe' });
  });

  it('runs', () => {
    const printed = execFileSync(process.execPath, ['--import', 'tsx', 'example.ts'], {
      cwd: FOLDER,
      encoding: 'utf8',
    });
    expect(printed).to.match(
      /^\d+ latents never fired in 300 rows\nlatent \d+ \(density [\d.]+\) fires where letter is [ab]/,
    );
  });
});
