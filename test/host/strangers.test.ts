/** Host models from strangers: weights stay on disk, and none of them is where it was not checked. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { FileFormatError } from '../../src/errors.ts';
import { readHostFile } from '../../src/host/weights-on-disk.ts';
import { hiddenModel, REFUSED, RESOLVED } from '../inference/hidden-data.ts';
import { rejection } from '../inference/rejection.ts';

describe('host models from strangers', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'monosemantic-'));
    await mkdir(join(folder, 'models'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  for (const [place, hide] of Object.entries({ ...RESOLVED, ...REFUSED })) {
    it(`has no data outside its folder in ${place}`, async () => {
      const path = join(folder, 'models', 'host.onnx');
      for (const location of ['../canary.bin', 'models/../../canary.bin', join(folder, 'canary.bin'), 'inside.bin']) {
        const { bytes, data } = hiddenModel(hide, location);
        for (const name of ['canary.bin', 'models/inside.bin']) await writeFile(join(folder, name), data);
        await writeFile(path, bytes);
        // Weights of the graph itself may lie beside it.
        if (place === 'an initializer' && location === 'inside.bin') await readHostFile(path);
        else expect(await rejection(readHostFile(path)), location).to.be.instanceOf(FileFormatError);
      }
    });
  }
});
