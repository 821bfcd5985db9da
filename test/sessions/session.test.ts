import { expect } from 'chai';
import { DisposedError, EngineUnavailableError, FileFormatError, InvalidValueError } from '../../src/errors.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import { loadNodeRuntime } from '../../src/sessions/node.ts';
import type { Runtime } from '../../src/sessions/runtime.ts';
import { openSession } from '../../src/sessions/session.ts';

/** y = x + x. */
const doubling = encodeModel({
  name: 'doubling',
  nodes: [{ op: 'Add', inputs: ['x', 'x'], outputs: ['y'], attributes: {} }],
  initializers: [],
  inputs: [{ name: 'x', type: 'float32', shape: ['batch', 2] }],
  outputs: [{ name: 'y', type: 'float32', shape: ['batch', 2] }],
});

const failure = (promise: Promise<unknown>): Promise<Error> =>
  promise.then(
    () => Promise.reject(new Error('expected an error, and there was none')),
    error => error,
  );

describe('sessions', () => {
  let runtime: Runtime;
  before(async () => {
    runtime = await loadNodeRuntime();
  });

  it('runs on the provider that was named', async () => {
    const { session, provider, attempts } = await openSession(runtime, doubling, { provider: 'cpu', threads: 1 });
    const { y } = await session.run({ x: new runtime.ort.Tensor('float32', [1, 2, 3, 4], [2, 2]) });
    expect(y!.data).to.deep.equal(new Float32Array([2, 4, 6, 8]));
    expect([provider, attempts, session.inputNames, session.outputNames]).to.deep.equal(['cpu', [], ['x'], ['y']]);
    await session.dispose();
  });

  it('fills preallocated outputs in place', async () => {
    const { session } = await openSession(runtime, doubling, { provider: 'cpu' });
    const { Tensor } = runtime.ort;
    const mine = new Float32Array(4);
    await session.run(
      { x: new Tensor('float32', new Float32Array([1, 2, 3, 4]), [2, 2]) },
      { y: new Tensor('float32', mine, [2, 2]) },
    );
    expect(mine).to.deep.equal(new Float32Array([2, 4, 6, 8]));
    await session.dispose();
  });

  it('tries one provider at a time under auto, and keeps each reason', async () => {
    // webgpu is passed over, so that the answer does not depend on the machine; cuda really is tried unless it could load.
    const choosy: Runtime = { ...runtime, unlikely: { cuda: 'no card', webgpu: 'not wanted here' } };
    const { session, provider, attempts } = await openSession(choosy, doubling);
    expect(provider).to.equal('cpu');
    expect(attempts).to.deep.equal([
      { provider: 'cuda', reason: 'no card' },
      { provider: 'webgpu', reason: 'not wanted here' },
    ]);
    await session.dispose();
  });

  it('says why a named provider does not load, and how to get it', async function () {
    const opened = await openSession(runtime, doubling, { provider: 'cuda' }).catch((error: Error) => error);
    if (!(opened instanceof Error)) {
      await opened.session.dispose();
      this.skip(); // CUDA is here.
    }
    expect(opened).to.be.instanceOf(EngineUnavailableError);
    expect((opened as EngineUnavailableError).reasons[0]).to.match(/^cuda: /);
    // Set up, it lacks the driver's library alone.
    expect(opened.message).to.match(/npm run setup:cuda|libcuda\.so\.1/);
  });

  it('tells a faulty model from a provider that does not load', async () => {
    const unknown = encodeModel({
      name: 'unknown',
      nodes: [{ op: 'Frobnicate', inputs: ['x'], outputs: ['y'], attributes: {} }],
      initializers: [],
      inputs: [{ name: 'x', type: 'float32', shape: ['batch'] }],
      outputs: [{ name: 'y', type: 'float32', shape: ['batch'] }],
    });
    for (const provider of ['cpu', 'cuda'] as const) {
      const error = await failure(openSession(runtime, unknown, { provider, file: 'odd.onnx' }));
      expect(error).to.be.instanceOf(FileFormatError);
      expect(error.message).to.contain('odd.onnx').and.to.contain('Frobnicate');
    }
    const error = await failure(openSession(runtime, doubling, { provider: 'wasm' }));
    expect(error).to.be.instanceOf(InvalidValueError);
    expect(error.message).to.equal("provider 'wasm' is not one of onnxruntime-node's: auto, cuda, webgpu, cpu");
  });

  it('keeps runs apart where the runtime asks for it', async () => {
    let overlapping = 0;
    let most = 0;
    const { InferenceSession, Tensor } = runtime.ort;
    const watched: Runtime = {
      ...runtime,
      runsOneAtATime: true,
      ort: {
        Tensor,
        InferenceSession: {
          create: async (bytes, options) => {
            const session = await InferenceSession.create(bytes, options);
            const run = session.run.bind(session);
            session.run = (async (feeds: never, fetches: never) => {
              most = Math.max(most, ++overlapping);
              try {
                return await run(feeds, fetches);
              } finally {
                overlapping--;
              }
            }) as typeof session.run;
            return session;
          },
        },
      },
    };
    const open = () => openSession(watched, doubling, { provider: 'cpu' });
    const sessions = (await Promise.all([open(), open()])).map(({ session }) => session);
    const runs = Array.from({ length: 10 }, (_, i) =>
      sessions[i % 2]!.run({ x: new Tensor('float32', [i, i + 1], [1, 2]) }),
    );
    const bad = sessions[0]!.run({ x: new Tensor('float32', [1, 2, 3], [1, 3]) });
    expect((await failure(bad)).message).to.contain('invalid dimensions');
    for (const [i, { y }] of (await Promise.all(runs)).entries())
      expect([...y!.data]).to.deep.equal([2 * i, 2 * i + 2]);
    expect(most).to.equal(1);
    await Promise.all(sessions.map(session => session.dispose()));
  });

  it('ends what was begun before it is disposed of, and refuses what comes after', async () => {
    const { session } = await openSession(runtime, doubling, { provider: 'cpu' });
    const x = new runtime.ort.Tensor('float32', [1, 2], [1, 2]);
    const begun = session.run({ x });
    await Promise.all([session.dispose(), session.dispose()]);
    expect([...(await begun)['y']!.data]).to.deep.equal([2, 4]);
    expect(await failure(session.run({ x }))).to.be.instanceOf(DisposedError);
  });
});
