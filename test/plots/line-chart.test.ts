import { expect } from 'chai';
import { InvalidShapeError, InvalidValueError } from '../../src/errors.ts';
import type { BandMark, Figure, LineMark } from '../../src/plots/figure.ts';
import {
  plotRecovery,
  plotRecoveryRates,
  plotScaling,
  plotSparsitySweep,
  plotTrainingCurves,
} from '../../src/plots/index.ts';

function lines(figure: Figure): LineMark[] {
  return figure.panels[0]!.marks.filter((mark): mark is LineMark => mark.kind === 'line');
}

function bands(figure: Figure): BandMark[] {
  return figure.panels[0]!.marks.filter((mark): mark is BandMark => mark.kind === 'band');
}

describe('plotTrainingCurves', () => {
  it('leaves a gap where a loss cannot be shown', () => {
    const [line] = lines(plotTrainingCurves([{ name: 'a', steps: [0, 1, 2, 3], loss: [1, Number.NaN, 0, 0.5] }]));
    expect(line!.points).to.deep.equal([
      [0, 1],
      [1, Number.NaN],
      [2, Number.NaN],
      [3, 0.5],
    ]);
  });

  it('starts a logarithmic axis of steps after step 0', () => {
    const [line] = lines(plotTrainingCurves([{ name: 'a', steps: [0, 1, 10], loss: [3, 2, 1] }], { logSteps: true }));
    expect(line!.points).to.deep.equal([
      [1, 2],
      [10, 1],
    ]);
  });

  it('draws very many points as their median between lowest and highest', () => {
    const steps = Array.from({ length: 50_000 }, (_, i) => i);
    const loss = steps.map(step => 2 + (step % 3) - 1);
    const figure = plotTrainingCurves([{ name: 'a', steps, loss }], { logLoss: false });
    const [line] = lines(figure);
    expect(line!.points.length).to.be.lessThan(1000);
    expect(line!.points[0]![0]).to.equal(0);
    expect(line!.points.at(-1)![0]).to.equal(49_999);
    expect(new Set(line!.points.slice(1, -1).map(([, y]) => y))).to.deep.equal(new Set([2]));
    expect(bands(figure)[0]!.points[5]).to.include({ low: 1, high: 3 });
  });

  it('refuses steps and losses of different number', () => {
    expect(() => plotTrainingCurves([{ name: 'run 7', steps: [0, 1], loss: [1] }])).to.throw(
      InvalidShapeError,
      'run 7',
    );
  });

  it('has a legend exactly where there are several curves', () => {
    const curve = { steps: [0, 1], loss: [2, 1] };
    expect(plotTrainingCurves([{ name: 'a', ...curve }]).legends).to.have.length(0);
    const [legend] = plotTrainingCurves([
      { name: 'a', ...curve },
      { name: 'b', ...curve },
    ]).legends;
    expect(legend!.kind === 'samples' && legend!.samples.map(({ label }) => label)).to.deep.equal(['a', 'b']);
  });
});

describe('plotSparsitySweep', () => {
  it('marks how many features are truly active, across the panel and in the legend', () => {
    const series = { name: 'recovered', k: [2, 4, 8], share: [1, 0.9, 0.5] };
    const figure = plotSparsitySweep([series], { trueL0: 5.5 });
    const rule = figure.panels[0]!.marks.find(mark => mark.kind === 'rule');
    expect(rule).to.include({ at: 5.5, along: 'x' });
    const [legend] = figure.legends;
    expect(legend!.kind === 'samples' && legend!.samples.map(({ label }) => label)).to.deep.equal([
      'true features active',
    ]);
    expect(figure.panels[0]!.x).to.deep.include({ type: 'log', ticks: [2, 4, 8] });
    expect(plotSparsitySweep([series]).legends).to.have.length(0);
  });
});

describe('plotScaling', () => {
  it('is logarithmic on both axes, with ticks inside, those of sizes at the measured ones unless they are many', () => {
    const { x, y } = plotScaling([{ name: 'a', sizes: [512, 16_384], milliseconds: [1, 100] }]).panels[0]!;
    for (const axis of [x, y]) {
      expect(axis.type).to.equal('log');
      const [low, high] = axis.domain as [number, number];
      for (const tick of axis.ticks as number[]) expect(tick).to.be.within(low, high);
    }
    expect(x.ticks).to.deep.equal([512, 16_384]);
    expect(y.ticks).to.have.length.greaterThan(2);
    const sizes = Array.from({ length: 20 }, (_, i) => 100 + i);
    const many = plotScaling([{ name: 'a', sizes, milliseconds: sizes }]).panels[0]!.x;
    expect(many.ticks).to.have.length.lessThan(20);
  });
});

describe('plotRecovery', () => {
  const series = { name: 'spread', steps: [0, 10], fraction: [0.5, 1], low: [0.4, 0.9], high: [0.6, 1] };

  it('draws the interval beneath the line and chance beneath both', () => {
    const figure = plotRecovery([series], { chance: 0.1 });
    expect(figure.panels[0]!.marks.map(({ kind }) => kind)).to.deep.equal(['rule', 'band', 'line']);
    expect(figure.panels[0]!.y.domain).to.deep.equal([0, 1]);
  });

  it('asks for both ends of an interval', () => {
    const { high: _, ...half } = series;
    expect(() => plotRecovery([half])).to.throw(InvalidShapeError, 'both low and high');
  });
});

describe('plotRecoveryRates', () => {
  it('refuses a rate that is none', () => {
    const rate = { group: 'spread', series: 'end', rate: 1.2, low: 0, high: 1 };
    expect(() => plotRecoveryRates([rate])).to.throw(InvalidValueError, 'between 0 and 1');
  });
});
