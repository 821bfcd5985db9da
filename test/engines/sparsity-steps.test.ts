/** Autoencoders that differ in sparsity side by side, and AuxK: the same on every engine and provider that this machine has. */
import { expect } from 'chai';
import { type EngineForms, findEngineForms } from '../../scripts/reference/engine-forms.ts';
import type { Engine } from '../../src/engines/engine.ts';
import { createOnnxRuntimeEngine } from '../../src/engines/onnxruntime.ts';
import { loadNodeRuntime } from '../../src/sessions/node.ts';
import type { HostTensors } from '../../src/tensor.ts';
import { leaveSwiftShader, useSwiftShader } from '../support/swiftshader.ts';
import { type RecordedStep, sparsitySteps } from '../training/recorded-steps.ts';

const STEPS = 3;

async function trained(engine: Engine, { program, inputs }: RecordedStep): Promise<HostTensors> {
  const runner = await engine.prepare(program, { maxSteps: 1 });
  try {
    for (let step = 0; step < STEPS; step++) await runner.run(1, inputs(1, step));
    return await runner.read();
  } finally {
    await runner.dispose();
  }
}

describe('sparsity on every engine', () => {
  let forms: EngineForms;
  let oracle: Engine;

  after(leaveSwiftShader);
  before(async () => {
    await useSwiftShader().catch(() => {});
    forms = await findEngineForms();
    oracle = createOnnxRuntimeEngine(await loadNodeRuntime());
  });

  for (const label of ['onnxruntime webgpu, a step a call', 'tensorflow', 'webgpu', 'wasm', 'cpu']) {
    for (const recorded of sparsitySteps()) {
      it(`${label}: ${recorded.name}`, async function () {
        const form = forms.present.find(candidate => candidate.label === label);
        if (!form) {
          this.test!.title += ` (not here: ${forms.absent.find(absent => label.startsWith(absent.label))?.reason})`;
          this.skip();
        }
        const [got, expected] = [await trained(form.engine, recorded), await trained(oracle, recorded)];
        for (const [entry, { data }] of Object.entries(expected)) {
          for (const [i, value] of data.entries()) {
            expect(got[entry]!.data[i], `${entry}[${i}]`).to.be.closeTo(value, 1e-5 * Math.max(1, Math.abs(value)));
          }
        }
      });
    }
  }
});
