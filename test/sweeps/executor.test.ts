/** The executor of this process: what is under way at a time, and what is left when one fails. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { FolderInUseError } from '../../src/errors.ts';
import { inShards, inThisProcess, type SweepExecutor, type SweepWork } from '../../src/sweeps/executor.ts';
import type { RunGroup } from '../../src/sweeps/groups.ts';
import { createTurns } from '../../src/sweeps/turns.ts';

/** Performs so many groups with `perform`, and says what was logged. */
async function performed(executor: SweepExecutor, count: number, perform: (index: number) => Promise<void>) {
  const done = new Set<number>();
  const lines: string[] = [];
  async function* missing(): AsyncGenerator<RunGroup> {
    for (let index = 0; index < count; index++) if (!done.has(index)) yield { id: String(index), index, runs: [] };
  }
  await executor.execute({
    missing,
    async perform({ index }: RunGroup) {
      await perform(index);
      done.add(index);
    },
    log: (line: string) => lines.push(line),
    signal: undefined,
  } as unknown as SweepWork);
  return lines.map(line => line.split(':')[0]);
}

describe('groups in this process', () => {
  it('are two at a time, each done once, and train in turn while the one before is measured', async () => {
    const takeTurn = createTurns();
    const events: string[] = [];
    let [underWay, most] = [0, 0];
    const lines = await performed(inThisProcess(), 4, async index => {
      most = Math.max(most, ++underWay);
      const giveBack = await takeTurn();
      events.push(`trains ${index}`);
      await sleep(20);
      giveBack();
      // Measuring takes less than training: the next one still trains when it ends.
      await sleep(10);
      events.push(`measured ${index}`);
      underWay--;
    });
    expect(lines).to.deep.equal(['group 1', 'group 2', 'group 3', 'group 4']);
    expect(most).to.equal(2);
    expect(events).to.deep.equal([
      ...['trains 0', 'trains 1', 'measured 0', 'trains 2', 'measured 1', 'trains 3', 'measured 2', 'measured 3'],
    ]);
  });

  it('end with the error of one, once the other has ended', async () => {
    const ended: number[] = [];
    const failure = await performed(inThisProcess(), 5, async index => {
      if (index === 1) throw new Error('no memory');
      await sleep(20);
      ended.push(index);
    }).catch((error: Error) => error.message);
    expect(failure).to.equal('no memory');
    expect(ended).to.deep.equal([0, 2]);
  });

  it('are looked at again where another process was at one', async () => {
    let tries = 0;
    const lines = await performed(inShards(2, 2), 4, async index => {
      if (index === 3 && tries++ === 0) throw new FolderInUseError('folder', 'is in use');
    });
    expect(lines).to.deep.equal(['group 2', 'group 4']);
    expect(tries).to.equal(2);
  });
});
