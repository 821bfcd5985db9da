/**
 * Our files in the hands of others: ONNX's own checker, and ONNX Runtime in Python. The interpreter is MONOSEMANTIC_PYTHON or python3,
 * with onnx, onnxruntime and numpy (requirements.txt); one process checks everything.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { nextName, repeatStep } from '../../src/compile/repeat-step.ts';
import { stepGraph } from '../../src/engines/compiled-step.ts';
import { frozenSaeToOnnx } from '../../src/export/frozen-sae-onnx.ts';
import { type FrozenSae, frozenSaeShapes, type SaeArchitecture } from '../../src/models/frozen-sae.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import type { HostTensor, Shape } from '../../src/tensor.ts';
import { runModel, type Values } from '../compile/run-graph.ts';
import { expectClose, normals } from '../models/tensors.ts';
import { trainedModels } from '../models/trained-models.ts';
import { recordedSteps } from '../training/recorded-steps.ts';

const PYTHON = process.env['MONOSEMANTIC_PYTHON'] || 'python3';
const BATCHES = [1, 7, 1000];

interface ExportedFile {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Where it is run too, not only checked. */
  readonly input?: { readonly name: string; readonly sampleShape: Shape };
}

interface Answer {
  readonly error: string | null;
  readonly runs: readonly Readonly<Record<string, { readonly shape: number[]; readonly data: number[] }>>[];
}

/** Frozen SAEs as imports bring them: every architecture and normalisation, transcoders, skip connections. */
function importedSaes(): ExportedFile[] {
  const architectures: SaeArchitecture[] = ['standard', 'topk', 'jumprelu', 'gated'];
  const variants: Partial<FrozenSae>[] = [
    {},
    { normalizeActivations: 'layer_norm' },
    { normalizeActivations: 'constant_norm_rescale', applyBDecToInput: false },
    { transcoder: true, dOut: 3, applyBDecToInput: false },
  ];
  return architectures.flatMap(architecture =>
    variants.map((variant, v): ExportedFile => {
      const options = {
        architecture,
        dIn: 4,
        dSae: 10,
        dOut: 4,
        ...(architecture === 'topk' && { k: 3 }),
        applyBDecToInput: true,
        normalizeActivations: 'none',
        transcoder: false,
        ...variant,
      } as const satisfies Omit<FrozenSae, 'weights'>;
      const shapes = { ...frozenSaeShapes(options), ...(options.transcoder && { W_skip: [options.dOut, 4] }) };
      const weights = Object.fromEntries(
        Object.entries(shapes).map(([name, shape], i) => [name, normals(shape, v + i)]),
      );
      const name = `${architecture}, ${JSON.stringify(variant)}`;
      return {
        name,
        bytes: frozenSaeToOnnx({ ...options, weights }),
        input: { name: 'activations', sampleShape: [4] },
      };
    }),
  );
}

function trainingSteps(): ExportedFile[] {
  return recordedSteps().flatMap(({ name, program }) => {
    const graph = stepGraph(program);
    const repeated = repeatStep(graph, {
      state: Object.keys(program.state),
      perStep: Object.keys(program.batch),
      stacked: program.metrics,
    });
    expect(repeated.outputs.map(output => output.name)).to.include(nextName(Object.keys(program.state)[0]!));
    return [
      { name: `step of ${name}`, bytes: encodeModel(graph) },
      { name: `many steps of ${name}`, bytes: encodeModel(repeated) },
    ];
  });
}

function toValues({ shape, data }: HostTensor): Values {
  return { shape, data, dtype: 'float32' };
}

describe('exported files in Python', () => {
  const folder = mkdtempSync(join(tmpdir(), 'exported-'));
  const files: (ExportedFile & { readonly inputs: readonly HostTensor[] })[] = [];
  let answers: readonly Answer[] = [];

  before(async function () {
    const modules = ['numpy', 'onnx', 'onnxruntime'];
    const found = spawnSync(PYTHON, ['-c', `import ${modules.join(', ')}`], { encoding: 'utf8' });
    if (found.status !== 0) {
      const reason = found.error?.message ?? found.stderr.trim().split('\n').at(-1);
      this.test!.title = `needs a Python with ${modules.join(', ')} (MONOSEMANTIC_PYTHON or python3): ${reason}`;
      console.log(`      skipped: ${this.test!.title}`);
      this.skip();
    }
    await tf.setBackend('cpu');
    const trained = (await trainedModels()).map(
      ({ name, bytes, inputName, sampleShape }): ExportedFile => ({
        name,
        bytes,
        input: { name: inputName, sampleShape },
      }),
    );
    for (const file of [...trained, ...importedSaes(), ...trainingSteps()]) {
      const inputs = file.input ? BATCHES.map(batch => normals([batch, ...file.input!.sampleShape], batch)) : [];
      files.push({ ...file, inputs });
    }
    const requests = files.map(({ bytes, input, inputs }, i) => {
      const file = join(folder, `${i}.onnx`);
      writeFileSync(file, bytes);
      return { file, runs: inputs.map(({ shape, data }) => ({ [input!.name]: { shape, data: Array.from(data) } })) };
    });
    const script = fileURLToPath(new URL('check_models.py', import.meta.url));
    const { status, stdout, stderr } = spawnSync(PYTHON, [script], {
      input: JSON.stringify(requests),
      encoding: 'utf8',
      maxBuffer: 2 ** 28,
    });
    expect(status, stderr).to.equal(0);
    answers = JSON.parse(stdout) as Answer[];
  });

  after(() => rmSync(folder, { recursive: true }));

  it('pass onnx.checker.check_model(full_check=True)', () => {
    expect(files).to.have.length.above(50);
    const refused = files.flatMap(({ name }, i) =>
      answers[i]!.error === null ? [] : [`${name}: ${answers[i]!.error}`],
    );
    expect(refused).to.deep.equal([]);
  });

  it('give the same numbers as in Node, for batches of 1, 7 and 1000', async () => {
    for (const [i, { name, bytes, input, inputs }] of files.entries()) {
      if (!input) continue;
      expect(answers[i]!.runs, name).to.have.length(BATCHES.length);
      for (const [run, tensor] of inputs.entries()) {
        const here = await runModel(bytes, { [input.name]: toValues(tensor) });
        const there = answers[i]!.runs[run]!;
        expect(Object.keys(there)).to.have.members(Object.keys(here));
        for (const [output, { shape, data }] of Object.entries(here)) {
          const values = { shape: there[output]!.shape, data: Float32Array.from(there[output]!.data) };
          expectClose(values, { shape, data: Float32Array.from(data) });
        }
      }
    }
  });
});
