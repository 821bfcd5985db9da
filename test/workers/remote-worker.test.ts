/** Real threads that answer, fail, die and hang. */
import { isNativeError } from 'node:util/types';
import type { Worker, WorkerOptions } from 'node:worker_threads';
import { expect } from 'chai';
import * as errors from '../../src/errors.ts';
import { nodeWorkerPort, startModuleWorker } from '../../src/workers/node.ts';
import { transfer } from '../../src/workers/protocol.ts';
import { RemoteWorker } from '../../src/workers/remote-worker.ts';
import type { TrialApi } from './trial-worker.ts';

const open: RemoteWorker<TrialApi>[] = [];

function start(options: WorkerOptions = {}): { remote: RemoteWorker<TrialApi>; worker: Worker; deaths: Error[] } {
  const worker = startModuleWorker('trial-worker', import.meta.url, options);
  const deaths: Error[] = [];
  const remote = new RemoteWorker<TrialApi>(nodeWorkerPort(worker), 'a trial', error => deaths.push(error));
  open.push(remote);
  return { remote, worker, deaths };
}

async function rejection(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    value => expect.fail(`it was answered: ${String(value)}`),
    (error: Error) => error,
  );
}

describe('a remote worker', () => {
  // One thread for what leaves it alive; starting one costs more than all its answers.
  let remote: RemoteWorker<TrialApi>;
  before(() => {
    ({ remote } = start());
  });
  after(() => Promise.all(open.map(worker => worker.dispose(0))));

  it('answers calls that overlap each with its own', async () => {
    const calls = Array.from({ length: 20 }, (_, i) => remote.call('add', i, 100));
    expect(await Promise.all(calls)).to.deep.equal(Array.from({ length: 20 }, (_, i) => i + 100));
  });

  it('copies arrays, and moves those that are marked', async () => {
    const array = new Float32Array(5);
    expect(await remote.call('lengthOf', array)).to.equal(5);
    expect(array.length).to.equal(5);
    expect(await remote.call('lengthOf', transfer(array))).to.equal(5);
    expect(array.length).to.equal(0);
    const { first, second } = await remote.call('fill', 3, 2);
    expect([...first, ...second]).to.deep.equal([2, 2, 2, 2, 2, 2]);
  });

  it('is called back while a call runs', async () => {
    const told: number[] = [];
    expect(await remote.call('count', 3, at => told.push(at))).to.equal('done');
    expect(told).to.deep.equal([1, 2, 3]);
  });

  it('keeps class, message, fields and causes of what is thrown', async () => {
    const shape = await rejection(remote.call('fail', 'shape'));
    expect(shape).to.be.instanceOf(errors.InvalidShapeError).and.instanceOf(RangeError);
    expect(shape).to.include({ name: 'InvalidShapeError', message: '[2, 3] is no [3, 2]' });
    expect(shape.stack).to.contain('trial-worker');
    expect(isNativeError(shape)).to.equal(true);

    const format = (await rejection(remote.call('fail', 'format'))) as errors.FileFormatError;
    expect(format).to.be.instanceOf(errors.FileFormatError);
    expect(format).to.include({ file: 'a.onnx', message: 'a.onnx: it is cut short' });
    expect(format.cause).to.be.instanceOf(RangeError).and.not.instanceOf(errors.InvalidValueError);
    expect((format.cause as Error).cause).to.be.instanceOf(errors.InvalidShapeError);

    const write = (await rejection(remote.call('fail', 'write'))) as errors.FileWriteError;
    expect(write).to.be.instanceOf(errors.FileWriteError);
    expect(write).to.include({ file: 'b.npy', message: 'b.npy: cannot be written: its file system is read-only' });
    expect(write.cause).to.include({ code: 'EROFS', errno: -30 });

    const diverged = await rejection(remote.call('fail', 'diverged'));
    expect(diverged).to.be.instanceOf(errors.DivergenceError).and.include({ step: 7, at: 9 });
    const engine = (await rejection(remote.call('fail', 'engine'))) as errors.EngineUnavailableError;
    expect(engine).to.be.instanceOf(errors.EngineUnavailableError);
    expect(engine.reasons).to.deep.equal(['cuda: no card', 'webgpu: no adapter']);
    const several = (await rejection(remote.call('fail', 'several'))) as AggregateError;
    expect(several).to.be.instanceOf(AggregateError);
    expect(several.errors[1]).to.be.instanceOf(errors.InvalidShapeError);
  });

  it('carries what is no error, and an error that is its own cause', async () => {
    expect(await rejection(remote.call('fail', 'text')))
      .to.be.instanceOf(Error)
      .and.include({ message: 'no error at all' });
    expect(await rejection(remote.call('fail', 'circle'))).to.include({ message: 'round' });
  });

  it('knows every error class of the package', () => {
    // A class that asks for other things than a message is made here as its users make it.
    const made: Record<string, Error> = {
      FileWriteError: new errors.FileWriteError('f', new Error('no')),
      DivergenceError: new errors.DivergenceError('no', 1),
      WorkerDiedError: new errors.WorkerDiedError('w', 'no'),
    };
    for (const [name, Class] of Object.entries(errors)) {
      if (!('prototype' in Class) || !(Class.prototype instanceof Error)) continue;
      const error = made[name] ?? new (Class as new (message: string) => Error)('no');
      expect(error.name, name).to.equal(name);
    }
  });

  it('rejects what cannot be sent, in either direction, and goes on', async () => {
    expect((await rejection(remote.call('lengthOf', { f: () => 1 } as never))).name).to.equal('DataCloneError');
    expect((await rejection(remote.call('unsendable'))).name).to.equal('DataCloneError');
    expect(await remote.call('add', 1, 1)).to.equal(2);
  });

  const deaths: readonly [string, string, (trial: ReturnType<typeof start>) => Promise<unknown>, WorkerOptions?][] = [
    ['exits', 'ended with code 3', ({ remote }) => remote.call('exit', 3)],
    ['is terminated', 'ended with code 1', ({ worker }) => worker.terminate()],
    ['breaks outside a call', 'nobody caught this', ({ remote }) => remote.call('break')],
    [
      'runs out of memory',
      'memory',
      ({ remote }) => remote.call('exhaust'),
      { resourceLimits: { maxOldGenerationSizeMb: 24 } },
    ],
  ];
  for (const [how, why, kill, options] of deaths) {
    it(`rejects what waits where the thread ${how}, and all that comes after, saying which thread it was`, async () => {
      const trial = start(options);
      expect(await trial.remote.call('add', 1, 2)).to.equal(3);
      const waiting = [trial.remote.call('never'), trial.remote.call('never')].map(rejection);
      kill(trial).catch(() => undefined);
      for (const error of await Promise.all(waiting)) {
        expect(error).to.be.instanceOf(errors.WorkerDiedError).and.include({ worker: 'a trial' });
        expect(error.message).to.contain('the worker of a trial died').and.contain(why);
      }
      expect(trial.deaths).to.have.length(1);
      expect(trial.remote.isAlive).to.equal(false);
      expect(await rejection(trial.remote.call('add', 1, 2))).to.equal(trial.deaths[0]);
      await trial.remote.dispose();
    });
  }

  it('says why where its module cannot be loaded', async () => {
    const worker = startModuleWorker('no-such-worker', import.meta.url);
    const missing = new RemoteWorker<TrialApi>(nodeWorkerPort(worker), 'nothing');
    const error = await rejection(missing.call('add', 1, 2));
    expect(error).to.be.instanceOf(errors.WorkerDiedError);
    expect(error.message).to.contain('no-such-worker');
    await missing.dispose();
  });

  it('is ended after what was asked before, and refuses more', async () => {
    const { remote: ended, deaths: unasked } = start();
    const answer = ended.call('afterwards', 20);
    const disposal = ended.dispose(60_000);
    expect(await rejection(ended.call('add', 1, 2))).to.be.instanceOf(errors.DisposedError);
    await Promise.all([disposal, ended.dispose()]);
    expect(await answer).to.equal('late');
    expect(unasked).to.deep.equal([]);
  });

  for (const how of ['never', 'spin'] as const) {
    it(`is ended also in the midst of a call that does not end: ${how}`, async () => {
      let waiting: Promise<Error>;
      {
        await using hanging = start().remote;
        await hanging.call('add', 1, 1);
        waiting = rejection(hanging.call(how));
        await hanging.dispose(50);
      }
      expect(await waiting).to.be.instanceOf(errors.DisposedError);
    });
  }
});
