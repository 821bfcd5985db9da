import { expect } from 'chai';
import { InvalidShapeError, InvalidValueError } from '../../src/errors.ts';
import type { BarMark, CellMark, Figure, Panel, RuleMark } from '../../src/plots/figure.ts';
import {
  plotCosineHeatMap,
  plotFeatureAnalysis,
  plotFeatureGeometry,
  plotPhaseDiagram,
  superpositionBoundary,
} from '../../src/plots/index.ts';
import { toSvg } from '../../src/plots/node.ts';
import { star } from './sample-figures.ts';

function cells(panel: Panel): CellMark {
  return panel.marks.find((mark): mark is CellMark => mark.kind === 'cells')!;
}

function bars(panel: Panel): BarMark['data'] {
  return panel.marks.find((mark): mark is BarMark => mark.kind === 'bars')!.data;
}

function lines(panel: Panel): RuleMark[] {
  return panel.marks.filter((mark): mark is RuleMark => mark.kind === 'rule' && mark.along === 'y');
}

describe('plotFeatureAnalysis', () => {
  const pair = [
    [1, 0],
    [-1, 0],
    [0, 0.5],
  ];
  const figure = plotFeatureAnalysis(
    [pair, star(3)],
    [
      [0.1, 0.2, 0.3],
      [0, 0, 0],
    ],
  );

  it('has norms, W Wᵀ and bias for each instance', () => {
    expect(figure.panels).to.have.length(6);
    const [norms, products, bias] = figure.panels as [Panel, Panel, Panel];
    expect(bars(norms).map(({ value }) => value)).to.deep.equal([1, 1, 0.5]);
    expect(cells(products).values).to.deep.equal([1, -1, 0, -1, 1, 0, 0, 0, 0.25]);
    expect(cells(products).ramp.domain).to.deep.equal([-1, 1]);
    for (const [i, value] of [0.1, 0.2, 0.3].entries()) expect(cells(bias).values[i]).to.be.closeTo(value, 1e-6);
  });

  it('colours the bars by polysemanticity: dark for a feature alone, lighter where it shares its direction', () => {
    const [first, second, third] = bars(figure.panels[0]!);
    expect(first!.colour).to.equal(second!.colour);
    expect(third!.colour, 'viridis at 0').to.equal('#440154');
    expect(first!.colour).not.to.equal(third!.colour);
  });

  it('draws a line after feature n_hidden in each panel', () => {
    for (const panel of figure.panels) expect(lines(panel).map(({ at }) => at)).to.deep.equal([1.5]);
    const none = plotFeatureAnalysis(
      [
        [1, 0],
        [0, 1],
      ],
      undefined,
    );
    expect(none.panels.flatMap(lines)).to.deep.equal([]);
  });

  it('puts feature 0 at the top of all three', () => {
    for (const { y } of figure.panels) expect(y.domain).to.deep.equal([2.5, -0.5]);
  });

  it('labels each row', () => {
    const labels = (drawn: Figure): (string | undefined)[] =>
      drawn.panels.flatMap(({ rowLabel }) => (rowLabel === undefined ? [] : [rowLabel]));
    expect(labels(figure)).to.deep.equal(['instance 0', 'instance 1']);
    expect(labels(plotFeatureAnalysis([pair, pair], undefined, { labels: ['a', 'b'] }))).to.deep.equal(['a', 'b']);
    expect(() => plotFeatureAnalysis([pair, pair], undefined, { labels: ['a'] })).to.throw(InvalidShapeError, 'labels');
    expect(() => plotFeatureAnalysis(pair, [1, 2])).to.throw(InvalidShapeError, 'bias must have shape');
  });

  it('stays small for ten instances of 80 features', () => {
    const weights = Array.from({ length: 10 }, (_, k) =>
      Array.from({ length: 80 }, (_, i) => Array.from({ length: 20 }, (_, j) => Math.sin(i * 20 + j + k) / 3)),
    );
    const svg = toSvg(plotFeatureAnalysis(weights, undefined));
    expect(svg.length).to.be.lessThan(1_200_000);
    // Every cell is covered by exactly one run, but for those of the paper's colour.
    expect(svg).to.match(/<path d="M\d+,\d+h\d+v1h-\d+z/);
  });
});

describe('plotCosineHeatMap', () => {
  it('puts each feature’s match on the diagonal, unmatched latents beneath', () => {
    const features = star(4, 0);
    const latents = [features[2]!, [0.6, 0.8], features[0]!, features[3]!, features[1]!].map(row =>
      row.map(x => 3 * x),
    );
    const [panel] = plotCosineHeatMap(latents, features).panels;
    expect(panel!.y.tickLabels).to.deep.equal(['2', '4', '0', '3', '1']);
    const { values } = cells(panel!);
    for (let j = 0; j < 4; j++) expect(values[j * 4 + j]).to.be.closeTo(1, 1e-6);
    expect(values[16]).to.be.closeTo(0.6, 1e-6);
    expect(lines(panel!).map(({ at }) => at)).to.deep.equal([3.5]);
  });

  it('takes fewer latents than features', () => {
    const [panel] = plotCosineHeatMap([[0, 1]], star(4, 0)).panels;
    expect(cells(panel!).values).to.have.length(4);
    expect(panel!.y.tickLabels).to.deep.equal(['0']);
  });
});

describe('plotPhaseDiagram', () => {
  it('has the boundary where pair and dedicated feature cost the same', () => {
    expect(superpositionBoundary(1)).to.be.closeTo(4 / 7, 1e-12);
    for (const r of [0.1, 0.5, 1, 3, 10]) {
      const p = superpositionBoundary(r);
      expect((p * (1 + r)) / 6).to.be.closeTo(Math.min(1, r) * (1 / 3 - p / 4), 1e-12);
    }
  });

  it('refuses outcomes of another shape, or without a colour', () => {
    const diagram = {
      densities: [0.1, 1],
      relativeImportances: [0.5, 1, 2],
      outcomes: [
        ['a', 'b'],
        ['a', 'b'],
      ],
    };
    expect(() => plotPhaseDiagram(diagram)).to.throw(InvalidShapeError, '[3, 2]');
    const whole = {
      ...diagram,
      outcomes: [
        ['a', 'b'],
        ['a', 'b'],
        ['a', 'b'],
      ],
    };
    expect(() => plotPhaseDiagram(whole, { outcomes: [{ name: 'a', colour: '#fff' }] })).to.throw(
      InvalidShapeError,
      '"b"',
    );
  });

  it('colours each cell by its outcome', () => {
    const outcomes = [
      ['pair', 'first'],
      ['pair', 'pair'],
    ];
    const [panel] = plotPhaseDiagram({ densities: [0.1, 1], relativeImportances: [0.5, 2], outcomes }).panels;
    expect(cells(panel!).values).to.deep.equal([0, 1, 0, 0]);
    const [low, high] = panel!.x.domain as [number, number];
    expect(low).to.be.closeTo(0.1 / Math.sqrt(10), 1e-9);
    expect(high).to.be.closeTo(Math.sqrt(10), 1e-9);
  });
});

describe('plotFeatureGeometry', () => {
  it('draws the plateaus at 1 and 1/2, and the five arrangements, and every D_i', () => {
    const points = [0.9, 0].map(sparsity => ({ sparsity, dimensionsPerFeature: 0.5, dimensionalities: [0, 0.5, 0.5] }));
    const [dimensions, dimensionality] = plotFeatureGeometry(points).panels as [Panel, Panel];
    expect(lines(dimensions).map(({ at }) => at)).to.deep.equal([1, 1 / 2]);
    expect(lines(dimensionality).map(({ at }) => at)).to.have.members([1 / 2, 2 / 3, 2 / 5, 3 / 4, 3 / 8]);
    const dots = dimensionality.marks.flatMap(mark => (mark.kind === 'dots' ? mark.data : []));
    expect(dots).to.have.length(6);
    expect(dots.map(({ x }) => Math.round(x))).to.have.members([1, 1, 1, 10, 10, 10]);
    const line = dimensions.marks.find(mark => mark.kind === 'line')!;
    expect(line.kind === 'line' && line.points[0]![0], 'in order of sparsity').to.equal(1);
  });

  it('refuses a sparsity of 1', () => {
    const point = { sparsity: 1, dimensionsPerFeature: 1, dimensionalities: [] };
    expect(() => plotFeatureGeometry([point])).to.throw(InvalidValueError, 'sparsity must be in [0, 1)');
  });
});
