import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { FileFormatError } from '../../src/errors.ts';
import { sha256OfFile } from '../../src/files/file-hash.ts';

describe('sha256OfFile', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'monosemantic-'));
  });
  after(() => rm(folder, { recursive: true }));

  // FIPS 180-2, appendix B: one block, and a million letters, which are read in parts.
  const cases = [
    { text: 'abc', hash: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad' },
    { text: 'a'.repeat(1_000_000), hash: 'cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0' },
  ];
  for (const { text, hash } of cases) {
    it(`is the standard's for ${text.length} bytes`, async () => {
      await writeFile(join(folder, 'file'), text);
      expect(await sha256OfFile(join(folder, 'file'))).to.equal(hash);
    });
  }

  it('is refused of a file that is not there', async () => {
    const error = await sha256OfFile(join(folder, 'none')).catch((cause: unknown) => cause);
    expect(error).to.be.instanceOf(FileFormatError).and.have.property('file', join(folder, 'none'));
  });
});
