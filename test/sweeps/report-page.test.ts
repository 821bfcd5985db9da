/** The page of a comparison: what it calls a difference, better and worse. */
import { expect } from 'chai';
import { comparisonPage } from '../../src/sweeps/report-page.ts';

describe('the page of two sweeps', () => {
  const between = (mean: number, low: number, high: number) => ({ mean, low, high, n: 4, deviation: 1 });
  const page = comparisonPage(['sweeps/a', 'sweeps/b'], {
    between: { clip: [null, 1] },
    metrics: ['recovered', 'loss', 'l0', 'mean_cosine', 'mcc'],
    configurations: [
      {
        settings: { k: 1 },
        differences: {
          recovered: between(2, 1, 3),
          loss: between(0.5, 0.25, 0.75),
          l0: between(-1, -1.5, -0.5),
          mean_cosine: between(0.125, -0.5, 0.75),
          mcc: between(2e-17, -1e-17, 3e-17),
        },
      },
    ],
    onlyA: 0,
    onlyB: 3,
  });

  it('is bold where the interval has no 0 in it, and says better or worse where the metric has a better', () => {
    const cells = [...page.matchAll(/<td class="(number[^"]*)" data-value="[^"]*">([^<]*)<small>([^<]*)</g)];
    expect(cells.map(([, kind, mean, range]) => [kind, mean, range])).to.deep.equal([
      ['number sure better', '+2', '1 to 3'],
      ['number sure worse', '+0.5', '0.25 to 0.75'],
      ['number sure', '−1', '−1.5 to −0.5'],
      ['number', '+0.125', '−0.5 to 0.75'],
      ['number', '0', '0 to 0'],
    ]);
  });

  it('counts what both have and what one alone has', () => {
    expect(page).to.include('1 configuration in both · 3 in B alone · 4 common seeds').and.not.include('in A alone');
  });
});
