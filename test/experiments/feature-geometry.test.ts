import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { FEATURE_GEOMETRY_DEFAULTS, runFeatureGeometry } from '../../src/experiments/feature-geometry-run.ts';
import { PHASE_DIAGRAM_DEFAULTS, phaseOf, runPhaseDiagram } from '../../src/experiments/phase-diagram-run.ts';
import { hostTensor } from '../../src/tensor.ts';
import { testContext } from './context.ts';

describe('the phase diagram', () => {
  it('has pairs and dedicated features on the sides of the boundary that theory gives', async () => {
    const context = await testContext({ checkpointEvery: 10_000 });
    const settings = {
      ...PHASE_DIAGRAM_DEFAULTS,
      cells: 3,
      restarts: 4,
      batchSize: 256,
      steps: 600,
      learningRate: 1e-2,
    };
    const { cells, agreement } = await runPhaseDiagram(settings, context);
    expect(cells.map(({ phase }) => phase)).to.deep.equal([
      ...['antipodal pair', 'first feature alone', 'first feature alone'],
      ...['antipodal pair', 'antipodal pair', cells[5]!.phase],
      ...['antipodal pair', 'second feature alone', 'second feature alone'],
    ]);
    // At equal importance and density 1 either feature may be the one.
    expect(cells[5]!.phase).to.match(/alone$/);
    expect(agreement).to.equal(1);
    expect((await readFile(join(context.folder, 'phase-diagram.csv'), 'utf8')).trim().split('\n')).to.have.length(10);
  });

  it('names what a weight represents', () => {
    const phase = (first: number, second: number) => phaseOf(hostTensor([first, second], [2, 1]));
    expect(phase(1, 0.2)).to.equal('first feature alone');
    expect(phase(-0.1, -1)).to.equal('second feature alone');
    expect(phase(1, -0.9)).to.equal('antipodal pair');
    expect(phase(0.01, -0.05)).to.equal('neither');
  });
});

describe('the sweep over sparsities', () => {
  it('gives a dimension to each of m features where they are dense, and finds that plateau', async () => {
    const settings = {
      ...FEATURE_GEOMETRY_DEFAULTS,
      nFeatures: 12,
      nHidden: 3,
      models: 3,
      maxSparsity: 0.2,
      batchSize: 128,
      steps: 800,
      learningRate: 1e-2,
    };
    const { points, plateaus } = await runFeatureGeometry(settings, await testContext({ checkpointEvery: 10_000 }));
    for (const { dimensionalities } of points) {
      const total = dimensionalities.reduce((sum, value) => sum + value, 0);
      expect(total).to.be.within(2.5, 3 + 1e-6);
    }
    const [plateau] = plateaus;
    expect(plateau).to.include({ level: 1, from: 1 });
    expect(plateau!.mean).to.be.closeTo(1, 0.1);
  });
});
