/** The API reference in docs/api/ against the sources: as `npm run docs` writes it, with a docstring for every exported name. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { apiReference, entryPoints, type Reference } from '../../scripts/docs/reference.ts';

const FOLDER = fileURLToPath(new URL('../../docs/api/', import.meta.url));

describe('the API reference', () => {
  let reference: Reference;
  before(() => {
    reference = apiReference();
  });

  it('has a docstring for every exported name', () => {
    expect(reference.undocumented).to.deep.equal([]);
  });

  it('names every error that an exported function or method throws itself', () => {
    expect(reference.unnamedErrors).to.deep.equal([]);
  });

  it('is what npm run docs writes', async () => {
    expect((await readdir(FOLDER)).sort()).to.deep.equal([...reference.pages.keys()].sort());
    for (const [name, text] of reference.pages) {
      const written = await readFile(join(FOLDER, name), 'utf8');
      expect(written === text, `docs/api/${name} is out of date: npm run docs`).to.equal(true);
    }
  });

  it('has a page for each entry point, with its functions, their parameters and errors', () => {
    expect([...reference.pages.keys()]).to.include.members(entryPoints().map(({ page }) => page));
    const page = reference.pages.get('monosemantic.md')!;
    const from = page.indexOf('### trainSae\n');
    const section = page.slice(from, page.indexOf('\n### ', from + 1));
    expect(section).to.include('- `settings`: ').and.to.include('- Throws: DivergenceError');
    expect(section).to.include('const trainSae: (settings: SaeSettings, options?: TrainingOptions) =>');
  });
});
