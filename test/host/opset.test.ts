/** Autoencoders of every architecture in other versions of ONNX's operators: ONNX Runtime gives the same numbers for each. */
import { expect } from 'chai';
import { frozenSaeToOnnx } from '../../src/export/frozen-sae-onnx.ts';
import { namesOf, withGraph } from '../../src/host/graph-parts.ts';
import { convertOpset } from '../../src/host/opset.ts';
import { type FrozenSae, frozenSaeShapes, type SaeArchitecture } from '../../src/models/frozen-sae.ts';
import { encodeProto } from '../../src/onnx/cut.ts';
import { type OnnxModel, readModel } from '../../src/onnx/read.ts';
import { loadNodeRuntime } from '../../src/sessions/node.ts';
import { openSession } from '../../src/sessions/session.ts';
import { normals } from '../models/tensors.ts';

function variants(): [string, FrozenSae][] {
  const architectures: SaeArchitecture[] = ['standard', 'topk', 'jumprelu', 'gated'];
  const normalisations = ['none', 'layer_norm', 'constant_norm_rescale'] as const;
  return architectures.flatMap(architecture =>
    normalisations.map((normalizeActivations): [string, FrozenSae] => {
      const options = {
        architecture,
        dIn: 4,
        dSae: 10,
        dOut: 4,
        ...(architecture === 'topk' && { k: 3 }),
        applyBDecToInput: true,
        normalizeActivations,
        transcoder: false,
      } as const satisfies Omit<FrozenSae, 'weights'>;
      const weights = Object.fromEntries(
        Object.entries(frozenSaeShapes(options)).map(([name, shape], i) => [name, normals(shape, i + 1)]),
      );
      return [`${architecture}, ${normalizeActivations}`, { ...options, weights } as FrozenSae];
    }),
  );
}

function inOpset(model: OnnxModel, version: number): OnnxModel {
  const { graph } = model.proto;
  const part = { nodes: graph.node ?? [], initializers: graph.initializer ?? [] };
  const { nodes, initializers } = convertOpset(part, 17, version, namesOf(graph));
  const converted = withGraph(model, { ...graph, node: [...nodes], initializer: [...initializers] });
  return { ...converted, proto: { ...converted.proto, opsetImport: [{ domain: '', version }] } };
}

describe('autoencoders in other opsets', () => {
  for (const [name, sae] of variants()) {
    it(name, async () => {
      const runtime = await loadNodeRuntime();
      const model = readModel(frozenSaeToOnnx(sae));
      const { data } = normals([5, 4], 9);
      const run = async (of: OnnxModel) => {
        const { session } = await openSession(runtime, encodeProto(of.proto), { provider: 'cpu' });
        const input = new runtime.ort.Tensor('float32', data, [5, 4]);
        const { features, reconstruction } = await session.run({ activations: input }, ['features', 'reconstruction']);
        await session.dispose();
        return [...(features!.data as Float32Array), ...(reconstruction!.data as Float32Array)];
      };
      const expected = await run(model);
      for (const version of [9, 11, 13, 15, 18, 21, 22]) {
        const found = await run(inOpset(model, version)).catch((error: Error) => {
          // Refused aloud is right, wrong numbers are not.
          expect(error.message, `opset ${version}`).to.match(/is written in opset 17/);
          return undefined;
        });
        if (version >= 13) expect(found, `opset ${version}`).not.to.equal(undefined);
        found?.forEach((value, i) => {
          expect(value, `opset ${version}`).to.be.closeTo(expected[i]!, 1e-5);
        });
      }
    });
  }
});
