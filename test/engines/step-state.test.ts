/** The state of a compiled step on WebGPU: it stays on the device, is read back exactly, and survives a step that diverges. */
import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { compileStep, stepGraph } from '../../src/engines/compiled-step.ts';
import type { StepProgram, StepRunner } from '../../src/engines/engine.ts';
import { createOnnxRuntimeEngine } from '../../src/engines/onnxruntime.ts';
import { DeviceState, deviceOutputs, HostState, type StepState } from '../../src/engines/step-state.ts';
import { DivergenceError } from '../../src/errors.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import { loadNodeRuntime } from '../../src/sessions/node.ts';
import type { Provider, Runtime } from '../../src/sessions/runtime.ts';
import { openSession } from '../../src/sessions/session.ts';
import { browserLacks } from '../support/browser.ts';
import { leaveSwiftShader, useSwiftShader } from '../support/swiftshader.ts';

/** x ← x + Σ input; `kept` is handed through; the loss is the new mean of x. */
const ADDING: StepProgram = {
  step: ({ x, kept, input }) => {
    const next = tf.add(x!, tf.sum(input!));
    return { x: next, kept: kept!.clone(), loss: tf.mean(next) };
  },
  state: {
    x: { data: Float32Array.of(1, 2, 3), shape: [3] },
    kept: { data: Float32Array.of(7, 8), shape: [2, 1] },
  },
  batch: { input: [2] },
  metrics: ['loss'],
};

for (const provider of ['cpu', 'webgpu'] as const satisfies readonly Provider[]) {
  describe(`state on ${provider}`, () => {
    let runtime: Runtime;
    let runner: StepRunner;

    after(leaveSwiftShader);
    before(async function () {
      const lack = provider === 'webgpu' ? browserLacks() : undefined;
      if (lack !== undefined) {
        console.log(`      skipped: SwiftShader comes with Chromium, and ${lack}`);
        this.skip();
      }
      if (provider === 'webgpu') await useSwiftShader();
      runtime = await loadNodeRuntime();
    });

    beforeEach(async () => {
      runner = await createOnnxRuntimeEngine(runtime, { provider }).prepare(ADDING, { maxSteps: 3 });
    });

    afterEach(() => runner.dispose());

    it('goes from one call to the next', async () => {
      const { loss } = await runner.run(3, { input: Float32Array.of(1, 0, 2, 0, 3, 0) });
      expect(Array.from(loss!)).to.deep.equal([3, 5, 8]);
      await runner.run(3, { input: new Float32Array(6).fill(0.5) });
      const { x, kept } = await runner.read();
      expect(x).to.deep.equal({ data: Float32Array.of(10, 11, 12), shape: [3] });
      expect(kept).to.deep.equal({ data: Float32Array.of(7, 8), shape: [2, 1] });
    });

    it('can be read before the first step, and a copy stays as it was', async () => {
      const before = await runner.read();
      await runner.run(3, { input: new Float32Array(6).fill(1) });
      expect(Array.from(before['x']!.data)).to.deep.equal([1, 2, 3]);
    });

    it('is a good one after a step that diverges, and training goes on from there', async () => {
      const error = await runner
        .run(3, { input: Float32Array.of(1, 0, NaN, 0, 1, 0) })
        .catch((reason: unknown) => reason);
      expect(error).to.be.instanceOf(DivergenceError);
      const { step, at } = error as DivergenceError;
      expect(at).to.equal(1);
      expect(Array.from((await runner.read())['x']!.data)).to.deep.equal([1, 2, 3].map(value => value + step));
      await runner.run(3, { input: new Float32Array(6) });
      expect(Array.from((await runner.read())['x']!.data)).to.deep.equal([1, 2, 3].map(value => value + step));
    });

    it(`lies ${provider === 'webgpu' ? 'on the device' : 'on the host'} between calls`, async () => {
      const graph = stepGraph(ADDING);
      const isOnDevice = provider === 'webgpu';
      const { session } = await openSession(runtime, encodeModel(graph), {
        provider,
        ...(isOnDevice && { sessionOptions: { preferredOutputLocation: deviceOutputs(compileStep(ADDING, false)) } }),
      });
      const state: StepState = isOnDevice
        ? new DeviceState(runtime, ADDING.state)
        : new HostState(runtime, ADDING.state);
      const input = new runtime.ort.Tensor('float32', Float32Array.of(1, 1), [2]);
      for (let call = 0; call < 2; call++) {
        state.advance(await session.run({ ...state.current, input }, { ...state.fetches(), loss: null }));
      }
      const locations = Object.values(state.current).map(({ location }) => location);
      expect(new Set(locations)).to.deep.equal(new Set([isOnDevice ? 'gpu-buffer' : 'cpu']));
      expect(Array.from((await state.read())['x']!.data)).to.deep.equal([5, 6, 7]);
      await state.dispose();
      await session.dispose();
    });
  });
}
