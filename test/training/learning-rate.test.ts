import { expect } from 'chai';
import { InvalidValueError } from '../../src/errors.ts';
import { type LearningRateSchedule, learningRateAt } from '../../src/training/learning-rate.ts';

const rates = (schedule: LearningRateSchedule, steps = 8): number[] => {
  const at = learningRateAt(schedule, 2, steps);
  return Array.from({ length: steps }, (_, completed) => at(completed));
};

describe('learningRateAt', () => {
  it('stays where no schedule is given', () => {
    expect(rates({})).to.deep.equal(Array(8).fill(2));
  });

  it('rises in a line over the warm-up, the first step moving already', () => {
    expect(rates({ warmUpSteps: 4 })).to.deep.equal([0.5, 1, 1.5, 2, 2, 2, 2, 2]);
  });

  it('falls in a line over the last steps, to a share of the rate', () => {
    expect(rates({ decay: 'linear', decaySteps: 4 })).to.deep.equal([2, 2, 2, 2, 2, 1.5, 1, 0.5]);
    expect(rates({ decay: 'linear', decaySteps: 4, finalShare: 0.5 }).slice(4)).to.deep.equal([2, 1.75, 1.5, 1.25]);
  });

  it('falls in half a cosine: half of it half way', () => {
    const falling = rates({ warmUpSteps: 2, decay: 'cosine' }, 10);
    expect(falling[2]).to.equal(2);
    expect(falling[6]).to.be.closeTo(1, 1e-12);
    expect(falling[8]).to.be.closeTo(1 + Math.cos((3 * Math.PI) / 4), 1e-12);
  });

  it('rises again after every so many steps, within a decay as well', () => {
    expect(rates({ warmUpSteps: 2, warmUpEvery: 4 })).to.deep.equal([1, 2, 2, 2, 1, 2, 2, 2]);
    expect(rates({ warmUpSteps: 2, warmUpEvery: 4, decay: 'linear', decaySteps: 2 })).to.deep.equal([
      1, 2, 2, 2, 1, 2, 2, 1,
    ]);
  });

  const refused: readonly [string, LearningRateSchedule, string][] = [
    ['a warm-up longer than training', { warmUpSteps: 9 }, 'do not fit into 8 steps'],
    ['parts that overlap', { warmUpSteps: 5, decay: 'linear', decaySteps: 4 }, 'a decay of 4 steps do not fit'],
    ['a count that is none', { warmUpSteps: 1.5 }, 'a warm-up of 1.5'],
    ['warm-ups after no steps', { warmUpSteps: 2, warmUpEvery: 0 }, 'warmUpEvery must be a whole number from 1, got 0'],
    ['a share above one', { finalShare: 1.5 }, 'must lie in [0, 1], got 1.5'],
    ['an unknown decay', { decay: 'exponential' as 'linear' }, 'choose from constant, linear, cosine'],
  ];
  for (const [name, schedule, message] of refused) {
    it(`refuses ${name}`, () => {
      expect(() => learningRateAt(schedule, 2, 8)).to.throw(InvalidValueError, message);
    });
  }
});
