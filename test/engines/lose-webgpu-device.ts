/** Trains two steps on WebGPU, destroys the device, and prints what the next call says; run by webgpu.test.ts. */
import * as tf from '@tensorflow/tfjs';
import { createEagerEngine } from '../../src/engines/eager.ts';
import { prepareBackend } from '../../src/engines/webgpu.ts';
import { useSwiftShader } from '../support/swiftshader.ts';

await useSwiftShader();
const engine = createEagerEngine('webgpu', await prepareBackend());
const runner = await engine.prepare({
  step: ({ x, input }) => {
    const next = tf.add(x!, tf.mean(input!));
    return { x: next, loss: tf.mean(next) };
  },
  state: { x: { data: new Float32Array(4000), shape: [4000] } },
  batch: { input: [2] },
  metrics: ['loss'],
});
const batches = { input: Float32Array.of(1, 1, 1, 1) };
console.log(String((await runner.run(2, batches))['loss']));
(tf.backend() as unknown as { readonly device: GPUDevice }).device.destroy();
await runner.run(2, batches).catch((error: unknown) => console.log(String(error)));
