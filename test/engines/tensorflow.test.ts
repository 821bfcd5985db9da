/** TensorFlow under TensorFlow.js: what loads, what is said where it does not, and that each kernel computes as elsewhere. */
import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import type { PreparedBackend } from '../../src/engines/prepared-backend.ts';
import { hasNvidiaGpu, prepareBackend, tensorFlowBinding } from '../../src/engines/tensorflow.ts';
import { EngineUnavailableError } from '../../src/errors.ts';
import { expectAgreement, KERNEL_CASES } from '../support/kernel-cases.ts';

describe('TensorFlow', () => {
  let backend: PreparedBackend;

  before(async function () {
    if (tensorFlowBinding('@tensorflow/tfjs-node') === undefined) {
      console.log('      skipped: TensorFlow is not set up (npm run setup:tensorflow)');
      this.skip();
    }
    await tf.setBackend('cpu');
    backend = await prepareBackend();
  });

  it('registers its backend with our TensorFlow.js, says what it is, and leaves the choice of backend alone', () => {
    expect(backend.backendName).to.equal('tensorflow');
    expect(backend.provider).to.match(/^tfjs-node(-gpu)?$/);
    expect(backend.detail).to.match(/^TensorFlow \d+\.\d+\.\d+ on (the CPU|a GPU \(CUDA\))$/);
    expect(tf.findBackendFactory('tensorflow')).to.be.a('function');
    expect(tf.getBackend()).to.equal('cpu');
    expect(createRequire(import.meta.url)(`@tensorflow/${backend.provider}`).Tensor).to.equal(tf.Tensor);
  });

  it('can be asked for again, but not for what was not loaded', async () => {
    expect(await prepareBackend()).to.deep.equal(backend);
    const other = backend.provider === 'tfjs-node' ? '@tensorflow/tfjs-node-gpu' : '@tensorflow/tfjs-node';
    const refusal = await prepareBackend({ package: other }).catch((error: unknown) => error);
    expect(refusal).to.be.instanceOf(EngineUnavailableError);
    expect(String(refusal)).to.include('in one process');
  });

  for (const [name, kernel] of Object.entries(KERNEL_CASES)) {
    it(`computes ${name} as the cpu backend does`, () => expectAgreement('tensorflow', kernel));
  }
});

describe('TensorFlow that cannot be had', () => {
  /** In a process of its own, since one that has loaded TensorFlow cannot be without it. */
  function messageFor(options: string): string {
    const engine = fileURLToPath(new URL('../../src/engines/tensorflow.ts', import.meta.url));
    const program = `
      const { prepareBackend } = await import(${JSON.stringify(engine)});
      await prepareBackend(${options}).then(
        ({ detail }) => console.log(detail), error => console.log(error.name, error.message));`;
    const args = ['--import', 'tsx', '--input-type=module', '-e', program];
    return execFileSync(process.execPath, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  }

  it('names what is missing for a GPU', function () {
    if (hasNvidiaGpu()) this.skip();
    expect(messageFor(`{ device: 'gpu' }`)).to.match(/^EngineUnavailableError .*no NVIDIA driver was found/);
  });

  it('names the command that sets it up', function () {
    if (tensorFlowBinding('@tensorflow/tfjs-node-gpu') !== undefined) this.skip();
    const message = messageFor(`{ package: '@tensorflow/tfjs-node-gpu' }`);
    expect(message).to.match(/^EngineUnavailableError .*run `npm run setup:tensorflow -- --gpu`/);
  });
});
