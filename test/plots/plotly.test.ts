import { expect } from 'chai';
import { toPlotly } from '../../src/plots/index.ts';
import { sampleFigures } from './sample-figures.ts';

describe('toPlotly', () => {
  for (const [name, figure] of Object.entries(sampleFigures)) {
    it(`gives ${name} its panels' axes, places and title`, () => {
      const { data, layout } = toPlotly(figure);
      const axes = Object.entries(layout).filter(([key]) => /^[xy]axis\d*$/.test(key));
      expect(axes).to.have.length(2 * figure.panels.length);
      for (const [, axis] of axes) {
        const [low, high] = (axis as { domain: [number, number] }).domain;
        expect(low).to.be.within(0, 1);
        expect(high).to.be.within(low, 1);
      }
      expect((layout['title'] as { text: string }).text).to.include(figure.title);
      expect(data.length).to.be.at.least(figure.panels.length);
      expect(JSON.stringify({ data, layout }), 'plain data').to.be.a('string');
    });
  }

  it('draws a head on each arrow and names each line once in the legend', () => {
    const { data, layout } = toPlotly(sampleFigures['feature-directions-single']!);
    const heads = (layout['annotations'] as { showarrow: boolean }[]).filter(({ showarrow }) => showarrow);
    expect(heads).to.have.length(5);
    expect(data.filter(({ text }) => String(text).startsWith('feature '))).to.have.length(5);
    const names = toPlotly(sampleFigures['recovery']!).data.flatMap(trace =>
      trace['showlegend'] ? [trace['name']] : [],
    );
    expect(names).to.deep.equal(['gaussian', 'activations', 'spread', 'chance']);
  });

  it('gives logarithmic axes their range in powers of ten', () => {
    const { layout } = toPlotly(sampleFigures['phase-diagram']!);
    const { range, type } = layout['xaxis'] as { range: [number, number]; type: string };
    expect(type).to.equal('log');
    expect(range[0]).to.be.closeTo(-2, 0.1);
    expect(range[1]).to.be.closeTo(0, 0.1);
  });
});
