import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import {
  runSuperposition,
  SUPERPOSITION_DEFAULTS,
  unexpectedSolutions,
} from '../../src/experiments/superposition-run.ts';
import { loadToyModel } from '../../src/inference/node.ts';
import { testContext } from './context.ts';

describe('superposition over sparsities', () => {
  it('ends, at the lowest loss of twenty restarts, in two features, two digons, and the pentagon', async () => {
    const context = await testContext({ checkpointEvery: 10_000 });
    const solutions = await runSuperposition(
      {
        ...SUPERPOSITION_DEFAULTS,
        models: 3,
        maxSparsity: 0.9,
        restarts: 20,
        batchSize: 512,
        steps: 3500,
        learningRate: 5e-3,
      },
      context,
    );
    expect(solutions.map(({ sparsity }) => sparsity.toFixed(3))).to.deep.equal(['0.000', '0.684', '0.900']);
    expect(solutions.map(({ arrangement }) => arrangement)).to.deep.equal([
      'two orthogonal features',
      'two orthogonal digons',
      'pentagon',
    ]);
    expect(unexpectedSolutions(solutions)).to.deep.equal([]);

    const rows = (await readFile(join(context.folder, 'results.csv'), 'utf8')).trim().split('\n');
    expect(rows).to.have.length(1 + 3 * 20);
    await using frozen = await loadToyModel(join(context.folder, 'toy-models.onnx'), { provider: 'cpu' });
    expect((await frozen.featureDirections()).shape).to.deep.equal([3, 5, 2]);
    expect(await readdir(context.folder)).to.include('solutions.json');
  });

  it('says which solution is unlike theory', async () => {
    const [solution] = await runSuperposition(
      { ...SUPERPOSITION_DEFAULTS, models: 1, restarts: 1, steps: 1 },
      await testContext(),
    );
    expect(unexpectedSolutions([solution!])[0]).to.match(/at sparsity 0: another, expected two orthogonal features/);
  });
});
