/** TensorFlow.js on WebGPU in Node, on SwiftShader: that each kernel computes as elsewhere, and goes on doing so. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { createEagerEngine } from '../../src/engines/eager.ts';
import type { PreparedBackend } from '../../src/engines/prepared-backend.ts';
import { prepareBackend } from '../../src/engines/webgpu.ts';
import { EngineUnavailableError } from '../../src/errors.ts';
import { browserLacks } from '../support/browser.ts';
import { expectAgreement, KERNEL_CASES } from '../support/kernel-cases.ts';
import { leaveSwiftShader, useSwiftShader } from '../support/swiftshader.ts';

describe('WebGPU', () => {
  let backend: PreparedBackend;

  after(leaveSwiftShader);
  before(async function () {
    const lack = browserLacks();
    if (lack !== undefined) {
      console.log(`      skipped: SwiftShader comes with Chromium, and ${lack}`);
      this.skip();
    }
    await useSwiftShader();
    await tf.setBackend('cpu');
    backend = await prepareBackend();
  });

  it('says which adapter it found, and invents no navigator', () => {
    expect(backend.backendName).to.equal('webgpu');
    expect(backend.detail).to.match(/ through Dawn$/);
    expect(globalThis.navigator?.gpu).to.equal(undefined);
    expect(tf.getBackend()).to.equal('cpu');
  });

  it('says what the device refused, instead of a loss that means nothing, and goes on', async () => {
    const runner = await createEagerEngine('webgpu', backend).prepare({
      // 4 GiB, above what any adapter of SwiftShader takes in one buffer.
      step: ({ x, input }) => ({
        x: tf.add(x!, 1),
        loss: tf.sum(tf.mul(tf.fill([2 ** 15, 2 ** 15], 1), input!)).asScalar(),
      }),
      state: { x: { data: Float32Array.of(0), shape: [] } },
      batch: { input: [1] },
      metrics: ['loss'],
    });
    const error = await runner.run(1, { input: Float32Array.of(1) }).catch((cause: unknown) => cause);
    expect(error).to.be.instanceOf(EngineUnavailableError);
    expect((error as Error).message).to.match(/^the device refused: Buffer size \(4294967296\) exceeds/);
    expect([...(await runner.read())['x']!.data]).to.deep.equal([0]);
    await runner.dispose();
  });

  it('is made once', async () => {
    expect(await prepareBackend()).to.equal(backend);
  });

  for (const [name, kernel] of Object.entries(KERNEL_CASES)) {
    it(`computes ${name} as the cpu backend does`, () => expectAgreement('webgpu', kernel));
  }

  it('survives the collection of garbage between steps', async () => {
    const collect = globalThis.gc ?? (await exposedGc());
    await tf.setBackend('webgpu');
    let x = tf.ones([8, 8]);
    for (let step = 0; step < 5; step++) {
      const next = tf.tidy(() => tf.div(tf.matMul(x, x), 8));
      x.dispose();
      x = next;
      collect();
      await new Promise(setImmediate);
    }
    expect(Array.from(await x.data())).to.deep.equal(Array(64).fill(1));
    x.dispose();
    await tf.setBackend('cpu');
  });
});

describe('a WebGPU device that is lost', () => {
  it('stops training with the reason', function () {
    if (browserLacks() !== undefined) this.skip();
    // In a process of its own: whatever else uses the device loses it too.
    const program = fileURLToPath(new URL('lose-webgpu-device.ts', import.meta.url));
    const printed = execFileSync(process.execPath, ['--import', 'tsx', program], { encoding: 'utf8' });
    expect(printed).to.match(/^1,2\nEngineUnavailableError: the WebGPU device was lost: .*destroyed/);
  });
});

async function exposedGc(): Promise<() => void> {
  const { setFlagsFromString } = await import('node:v8');
  const { runInNewContext } = await import('node:vm');
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
}
