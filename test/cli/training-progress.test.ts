import { PassThrough, Writable } from 'node:stream';
import { expect } from 'chai';
import { createTerminal } from '../../src/cli/terminal.ts';
import { describeProgress, showTraining } from '../../src/cli/training-progress.ts';
import type { Progress } from '../../src/training/train.ts';

const PROGRESS: Progress = {
  step: 500,
  steps: 2000,
  metrics: {},
  loss: 0.0123,
  losses: { mse: 0.01, l1: 0.0023 },
  l0: 31.25,
  explained_variance: 0.8125,
  dead: 12,
  dead_window: 1000,
  rowsPerSecond: 25_300.4,
  secondsLeft: 75,
};

function terminal(isTTY: boolean) {
  const chunks: string[] = [];
  const stderr = Object.assign(
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        chunks.push(chunk.toString());
        done();
      },
    }),
    // What cli-progress asks of a terminal.
    { isTTY, columns: 200, rows: 10, cursorTo: () => true, clearLine: () => true, moveCursor: () => true },
  );
  return { chunks, terminal: createTerminal({ stdin: new PassThrough(), stdout: new PassThrough(), stderr }) };
}

describe('how a training goes', () => {
  it('is said in words: terms by name, what is counted, pace and time left', () => {
    expect(describeProgress(PROGRESS)).to.equal(
      'loss 1.23e-2 (mse 1.00e-2 + l1 2.30e-3), L0 31.3, EV 0.813, 12 dead, 25,300 rows/s, 1 min 15 s left',
    );
    const { l0, explained_variance, dead, ...toy } = PROGRESS;
    const alone = { ...toy, losses: { mse: 0.0123 }, secondsLeft: 4000 };
    expect(describeProgress(alone)).to.equal('loss 1.23e-2, 25,300 rows/s, 1 h 6 min left');
    expect(describeProgress({ ...alone, explained_variance: null })).to.include('EV undefined');
  });

  it('is a line at intervals where nobody is looking, and none in a short run', () => {
    const { chunks, terminal: quiet } = terminal(false);
    const show = showTraining('SAE', 2000, quiet);
    show(PROGRESS);
    expect(chunks).to.deep.equal([]);
    const { now } = performance;
    const later = now.call(performance) + 11_000;
    try {
      performance.now = () => later;
      show(PROGRESS);
      show(PROGRESS);
    } finally {
      performance.now = now;
    }
    expect(chunks).to.have.length(1);
    expect(chunks[0]).to.match(/^SAE: step 500 of 2000, loss 1\.23e-2 .* left\n$/);
  });

  it('is a bar on a terminal, which ends with the run', () => {
    const { chunks, terminal: shown } = terminal(true);
    const show = showTraining('SAE', 2000, shown);
    show(PROGRESS);
    show({ ...PROGRESS, step: 2000, secondsLeft: 0 });
    const text = chunks.join('');
    expect(text).to.include('500/2000 | loss 1.23e-2').and.include('2000/2000').and.include('L0 31.3');
  });
});
