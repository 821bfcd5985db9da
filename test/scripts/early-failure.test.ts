/** How early signs of failure are scored. */
import { expect } from 'chai';
import { auroc, fittedRule } from '../../scripts/tables/early-failure.ts';

describe('early signs of failure', () => {
  it('are scored by the share of pairs that they order rightly', () => {
    const failed = [false, false, true, true];
    expect(auroc([1, 2, 3, 4], failed)).to.equal(1);
    expect(auroc([4, 3, 2, 1], failed)).to.equal(0);
    expect(auroc([1, 3, 2, 4], failed)).to.equal(0.75);
    expect(auroc([1, 1, 1, 1], failed)).to.equal(0.5);
  });

  it('make one rule, which weighs what tells and not what does not', () => {
    const runs = Array.from({ length: 40 }, (_, i) => ({
      loss: i % 2,
      bias: i,
      overlap: (i * 7) % 5,
      cDec: 1,
      dead: 0,
      recovered: 0,
      sought: 5,
    }));
    const failed = runs.map(({ bias }) => bias >= 20);
    const rule = fittedRule(runs, failed);
    expect(auroc(runs.map(rule), failed)).to.be.above(0.99);
    const [low, high] = [0, 1].map(loss => rule({ ...runs[0]!, loss, bias: 20 }));
    expect(Math.abs(high! - low!)).to.be.below(1);
  });
});
