import { expect } from 'chai';
import { InvalidShapeError, InvalidValueError } from '../../src/errors.ts';
import type { ArrowMark, Figure, Panel, TextMark } from '../../src/plots/figure.ts';
import { plotDirectionSnapshots, plotFeatureDirections } from '../../src/plots/index.ts';
import { toSvg } from '../../src/plots/node.ts';
import { hostTensor } from '../../src/tensor.ts';
import { star } from './sample-figures.ts';

function arrows(panel: Panel): ArrowMark['data'] {
  return panel.marks.flatMap(mark => (mark.kind === 'arrows' && mark.head ? mark.data : []));
}

function indices(panel: Panel): string[] {
  return panel.marks.flatMap(mark => (mark.kind === 'text' ? mark.data.map(({ text }) => text) : []));
}

function dataArea({ width, height, margin }: Panel): [number, number] {
  return [width - margin.left - margin.right, height - margin.top - margin.bottom];
}

/** Panels' data areas as corners in the figure. */
function corners(figure: Figure): { x: number; y: number }[] {
  return figure.panels.map(panel => ({ x: panel.left + panel.margin.left, y: panel.top + panel.margin.top }));
}

describe('plotFeatureDirections', () => {
  it('draws an arrow from the origin to each direction, its index beside the tip', () => {
    const directions = star(5, 0.3);
    const [panel] = plotFeatureDirections(directions).panels;
    expect(arrows(panel!).map(({ from }) => from)).to.deep.equal(directions.map(() => [0, 0]));
    for (const [i, { to }] of arrows(panel!).entries()) {
      expect(to[0]).to.be.closeTo(directions[i]![0]!, 1e-6);
      expect(to[1]).to.be.closeTo(directions[i]![1]!, 1e-6);
    }
    expect(indices(panel!)).to.deep.equal(['0', '1', '2', '3', '4']);
    const labels = panel!.marks.find((mark): mark is TextMark => mark.kind === 'text')!.data;
    for (const [i, { x, y }] of labels.entries()) {
      const [dx, dy] = [Number(x) - directions[i]![0]!, Number(y) - directions[i]![1]!];
      expect(Math.hypot(dx, dy), `index ${i} is near its tip`).to.be.within(0.02, 0.15);
    }
  });

  it('leaves out directions shorter than 1e-2, and keeps the indices of the others', () => {
    const [panel] = plotFeatureDirections([
      [0.0099, 0],
      [0, 1],
      [0.0101, 0],
    ]).panels;
    expect(arrows(panel!)).to.have.length(2);
    expect(indices(panel!)).to.deep.equal(['1', '2']);
  });

  it('colours by importance over the largest, in viridis', () => {
    const colours = (importance: number[]): string[] =>
      arrows(plotFeatureDirections(star(3), { importance }).panels[0]!).map(({ colour }) => colour);
    // viridis' ends and middle, as matplotlib gives them.
    expect(colours([10, 5, 0])).to.deep.equal(['#fde725', '#21918c', '#440154']);
    expect(colours([1, 0.5, 0])).to.deep.equal(['#fde725', '#21918c', '#440154']);
  });

  it('puts five panels in a row, with the same limits and equal axes everywhere, and no empty ones', () => {
    const figure = plotFeatureDirections(Array.from({ length: 12 }, (_, i) => star(5, i, 0.5 + i / 10)));
    const places = corners(figure);
    expect(places).to.have.length(12);
    expect(new Set(places.map(({ x }) => x)).size).to.equal(5);
    expect(new Set(places.map(({ y }) => y)).size).to.equal(3);
    expect(toSvg(figure).match(/class="panel"/g)).to.have.length(12);
    const limits = figure.panels.map(({ x, y }) => JSON.stringify([x.domain, y.domain]));
    expect(new Set(limits).size).to.equal(1);
    const [low, high] = figure.panels[0]!.x.domain as [number, number];
    expect(figure.panels[0]!.y.domain).to.deep.equal([low, high]);
    expect(high, 'room for the longest').to.be.greaterThan(1.6);
    for (const panel of figure.panels) {
      const [width, height] = dataArea(panel);
      expect(width).to.equal(height);
    }
  });

  it('titles the panels with the labels, whose number has to be that of the instances', () => {
    const instances = [star(5), star(5)];
    const titles = plotFeatureDirections(instances, { labels: ['dense', 'sparse'] }).panels.map(({ title }) => title);
    expect(titles).to.deep.equal(['dense', 'sparse']);
    expect(() => plotFeatureDirections(instances, { labels: ['dense'] })).to.throw(
      InvalidShapeError,
      'expected 2, got 1',
    );
  });

  it('reads tensors with any leading dimensions', () => {
    const values = Array.from({ length: 2 * 3 * 4 * 2 }, (_, i) => Math.sin(i));
    const figure = plotFeatureDirections(hostTensor(values, [2, 3, 4, 2]));
    expect(figure.panels).to.have.length(6);
    expect(arrows(figure.panels[5]!)[3]!.to[0]).to.be.closeTo(values[46]!, 1e-6);
  });

  it('names what does not fit', () => {
    expect(() => plotFeatureDirections([[1, 2, 3]])).to.throw(InvalidShapeError, 'the last dimension is 3');
    expect(() => plotFeatureDirections([1, 2])).to.throw(InvalidShapeError, 'at least 2D');
    expect(() => plotFeatureDirections(star(5), { importance: [1, 2] })).to.throw(
      InvalidShapeError,
      'importance must have shape',
    );
    expect(() => plotFeatureDirections([[1, Number.NaN]])).to.throw(InvalidValueError, 'directions must be finite');
    expect(() => plotFeatureDirections(star(5), { columns: 0 })).to.throw(
      InvalidValueError,
      'columns must be positive',
    );
  });

  it('keeps indices apart where directions coincide', () => {
    const [panel] = plotFeatureDirections([
      [1, 0],
      [1, 0.001],
      [1, -0.001],
    ]).panels;
    const labels = panel!.marks.find((mark): mark is TextMark => mark.kind === 'text')!.data;
    const [side] = dataArea(panel!);
    const pixels = side / (2 * (panel!.x.domain[1] as number));
    for (const [i, a] of labels.entries()) {
      for (const b of labels.slice(0, i)) {
        const distance = Math.hypot(Number(a.x) - Number(b.x), Number(a.y) - Number(b.y));
        expect(distance * pixels).to.be.greaterThan(8);
      }
    }
  });
});

describe('plotDirectionSnapshots', () => {
  it('has the target first, then a panel for each snapshot over the target', () => {
    const figure = plotDirectionSnapshots(star(5), [
      { label: 'SAE@0', directions: star(7) },
      { label: 'SAE@5000', directions: star(7) },
    ]);
    expect(figure.panels.map(({ title }) => title)).to.deep.equal(['target', 'SAE@0', 'SAE@5000']);
    expect(figure.panels.map(panel => arrows(panel).length)).to.deep.equal([5, 7, 7]);
    const guides = figure.panels.map(panel => panel.marks.filter(mark => mark.kind === 'arrows' && !mark.head).length);
    expect(guides).to.deep.equal([0, 1, 1]);
  });

  it('asks for as many marks of life as latents', () => {
    const snapshots = [{ label: 'SAE@0', directions: star(5), alive: [true] }];
    expect(() => plotDirectionSnapshots(star(5), snapshots)).to.throw(InvalidShapeError, 'alive of SAE@0');
  });
});
