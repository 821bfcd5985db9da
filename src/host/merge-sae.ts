/**
 * Merges an autoencoder's graph into a host model, between a tensor and everything that reads it. The result is one
 * model that gives its own outputs, computed through the autoencoder, and the features.
 */
import { FileFormatError, InvalidShapeError, InvalidValueError } from '../errors.ts';
import type { SaeNames } from '../inference/model-options.ts';
import { saeRequest } from '../inference/requests.ts';
import { resolveSignature } from '../inference/resolve-signature.ts';
import type { Signature } from '../inference/signature.ts';
import { cutGraph, namesRead } from '../onnx/cut.ts';
import { METADATA_KEYS, parseMetadata } from '../onnx/metadata.ts';
import { type NodeMessage, type TensorMessage, toInteger } from '../onnx/proto.ts';
import { metadataProperties, type OnnxModel } from '../onnx/read.ts';
import { mainMask } from './feeds.ts';
import {
  inRunningOrder,
  int64Tensor,
  makeNode,
  makeValue,
  namesOf,
  opsetOf,
  TYPES,
  takeName,
  withGraph,
} from './graph-parts.ts';
import type { HostModel } from './host-model.ts';
import { channelsLast, inverse, type Layout } from './layout.ts';
import { convertOpset } from './opset.ts';
import { codeOf, openSeam } from './seam.ts';

/** The key of the metadata entry that says what was spliced, as JSON. */
export const SPLICE_KEY = 'monosemantic.splice';

/** Where an autoencoder is spliced into a host, and how. */
export interface SpliceOptions extends SaeNames {
  /** The name of the tensor that the autoencoder reads and that its reconstruction replaces. */
  readonly tensor: string;
  /** For transcoders: the name of the tensor that is replaced, where it is not the one that is read. */
  readonly target?: string | undefined;
  /** The axis that holds the channels: see `layoutOf`. */
  readonly channelsAxis?: number | undefined;
  /**
   * Whether the model gets a further input `features_delta` [batch…, d_sae], which is added to the features before they
   * are decoded. Default false.
   */
  readonly steer?: boolean | undefined;
  /**
   * Whether the error of the reconstruction is added to it, so that only `features_delta` changes anything. Default
   * false.
   */
  readonly keepError?: boolean | undefined;
  /**
   * The model's input [batch, seq] that is 0 at padded positions, which keep their activations; false for none.
   * Default: the model's own mask, where it has one and the tensor has its positions.
   */
  readonly mask?: string | false | undefined;
}

/** A merged model. */
export interface Spliced {
  readonly model: OnnxModel;
  readonly tensor: string;
  readonly target: string;
  /** The name of the output that holds the features, [batch…, d_sae]. */
  readonly features: string;
  /** The name of the steering input; `undefined` without one. */
  readonly delta: string | undefined;
  readonly mask: string | undefined;
  readonly layout: Layout;
  readonly targetLayout: Layout;
  readonly dSae: number;
  /** What was done, one sentence each. */
  readonly notes: readonly string[];
}

/** The signature that an autoencoder's file states. */
export function saeSignature(sae: OnnxModel, names: SaeNames = {}): Signature {
  const { names: given, wanted } = saeRequest(names);
  return resolveSignature(sae, parseMetadata(metadataProperties(sae), sae.file), wanted, given);
}

/** The graph of an autoencoder, with a prefix before its tensors' names and `input` read from another tensor. */
interface Part {
  readonly nodes: readonly NodeMessage[];
  readonly initializers: readonly TensorMessage[];
  /** The name that a tensor of the autoencoder now has. */
  name(own: string): string;
}

function partOf(sae: OnnxModel, signature: Signature, rows: string, names: Set<string>): Part {
  const { input, code, reconstruction } = signature;
  if ((sae.proto.functions ?? []).length > 0)
    throw new FileFormatError('it has functions of its own: not spliced', { file: sae.file });
  const { graph } = cutGraph(sae, { inputs: [input], outputs: [code, reconstruction] }).proto;
  const map = new Map<string, string>([[input, rows]]);
  const name = (own: string): string => {
    if (own === '') return '';
    if (!map.has(own)) map.set(own, takeName(names, `sae/${own}`));
    return map.get(own)!;
  };
  const rename = (node: NodeMessage): NodeMessage => {
    if ((node.attribute ?? []).some(({ g }) => g)) {
      throw new FileFormatError(`its ${node.opType} holds a graph of its own: not spliced`, { file: sae.file });
    }
    const output = (node.output ?? []).map(name);
    return { ...node, name: '', input: (node.input ?? []).map(name), output };
  };
  return {
    initializers: (graph.initializer ?? []).map(tensor => ({ ...tensor, name: name(tensor.name ?? '') })),
    nodes: (graph.node ?? []).map(rename),
    name,
  };
}

/** A second copy of the nodes that need `from`, which reads `to` instead, and the new name of `result`. */
function decodedAgain(nodes: readonly NodeMessage[], from: string, to: string, result: string, names: Set<string>) {
  const again = new Map([[from, to]]);
  const copies: NodeMessage[] = [];
  for (const node of inRunningOrder(nodes)) {
    if (!namesRead(node).some(name => again.has(name))) continue;
    const input = (node.input ?? []).map(name => again.get(name) ?? name);
    for (const name of node.output ?? []) if (name !== '') again.set(name, takeName(names, `${name}/steered`));
    const output = (node.output ?? []).map(name => again.get(name) ?? '');
    copies.push({ ...node, input, output });
  }
  const steered = again.get(result);
  return steered === undefined ? undefined : { nodes: copies, result: steered };
}

/** The host's mask input that fits the tensor; `undefined` where there is none. */
function maskInput(
  host: HostModel,
  wanted: string | false | undefined,
  layout: Layout,
  target: string,
): string | undefined {
  if (wanted === false) return undefined;
  if (wanted === undefined) return layout.rank === 3 ? mainMask(host.inputs) : undefined;
  const input = host.inputs.find(({ name }) => name === wanted);
  if (!input) {
    throw new InvalidValueError(
      `no input named ${wanted} for a mask; the model has ${host.inputs.map(({ name }) => name).join(', ')}`,
    );
  }
  if (input.shape?.length !== 2 || layout.rank !== 3) {
    throw new InvalidShapeError(
      `the mask ${wanted} is [${input.shape?.join(', ') ?? '?'}] and ${target} has ${layout.rank} dimensions: expected a mask [batch, seq] and [batch, seq, d]`,
    );
  }
  return wanted;
}

function checkWidth(what: string, tensor: string, width: number, layout: Layout): void {
  if (layout.width === undefined || layout.width === width) return;
  throw new InvalidShapeError(`the autoencoder ${what} ${width} wide; ${tensor} is ${layout.width} wide`);
}

/**
 * Merges `sae` into the host.
 * @throws InvalidShapeError where the widths differ
 * @throws InvalidValueError where the tensor cannot be replaced, or the outputs do not depend on it
 * @throws FileFormatError where the autoencoder's operators cannot be written in the host's opset
 */
export async function mergeSae(host: HostModel, sae: OnnxModel, options: SpliceOptions): Promise<Spliced> {
  const { tensor, target = tensor, channelsAxis, steer = false, keepError = false } = options;
  if (sae.beside)
    throw new FileFormatError('its data lie in another file: an autoencoder of more than 2 GiB is not spliced', {
      file: sae.file,
    });
  const signature = saeSignature(sae, options);
  const layout = await host.layout(tensor, channelsAxis);
  const targetLayout = target === tensor ? layout : await host.layout(target, channelsAxis);
  const types = await host.types();
  const type = types.get(target)!.type;
  checkWidth('reads rows', tensor, signature.inputShape.at(-1)!, layout);
  const dOut = signature.reconstructionShape?.at(-1) ?? signature.inputShape.at(-1)!;
  checkWidth('gives rows', target, dOut, targetLayout);
  if (target !== tensor && dependsOn(host.model, tensor, target)) {
    throw new InvalidValueError(`${tensor} depends on ${target}: a transcoder cannot replace what it is computed from`);
  }
  const dSae = signature.codeShape?.at(-1);
  if (dSae === undefined)
    throw new FileFormatError('the file does not state how many features it has', { file: sae.file });
  const outputs = host.outputs.map(({ name }) => name);
  if (!outputs.some(name => name === target || dependsOn(host.model, name, target))) {
    throw new InvalidValueError(`no output of the model depends on ${target}: nothing would change`);
  }

  const seam = openSeam(host.model, target);
  const { graph } = seam.model.proto;
  const names = namesOf(graph);
  const notes = [...seam.notes];
  const nodes: NodeMessage[] = [];
  const initializers: TensorMessage[] = [];
  const inputs = [...(graph.input ?? [])];
  const constant = (name: string, values: readonly number[]): string => {
    const free = takeName(names, name);
    initializers.push(int64Tensor(free, values));
    return free;
  };
  const add = (op: string, from: readonly string[], to: string, attributes = {}): string => {
    const name = takeName(names, to);
    nodes.push(makeNode(op, from, [name], attributes));
    return name;
  };
  const saeType = codeOf(signature.inputType);

  /** Moves the channels to the last axis, and casts to the autoencoder's type. */
  const brought = (name: string, of: string, where: Layout): string => {
    const turned = channelsLast(where);
    const last = turned ? add('Transpose', [name], `sae/${of}/turned`, { perm: turned }) : name;
    return types.get(of)!.type === signature.inputType ? last : add('Cast', [last], `sae/${of}/cast`, { to: saeType });
  };
  const asRows = (name: string, width: number, as: string): string =>
    add('Reshape', [name, constant(`${as}/shape`, [-1, width])], as);

  const readName = target === tensor ? seam.original : tensor;
  const read = brought(readName, tensor, layout);
  const rows = asRows(read, signature.inputShape.at(-1)!, 'sae/rows');
  const part = partOf(sae, signature, rows, names);
  const converted = convertOpset(part, opsetOf(sae), opsetOf(host.model), names, sae.file);
  if (opsetOf(sae) !== opsetOf(host.model)) {
    notes.push(`the autoencoder was rewritten from opset ${opsetOf(sae)} to the model's ${opsetOf(host.model)}`);
  }
  nodes.push(...converted.nodes);
  initializers.push(...converted.initializers);

  // [batch…, d_sae]
  const leading = add(
    'Gather',
    [
      add('Shape', [read], 'sae/shape'),
      constant(
        'sae/leading',
        Array.from({ length: layout.rank - 1 }, (_, i) => i),
      ),
    ],
    'sae/batch',
    { axis: 0 },
  );
  const featureShape = add('Concat', [leading, constant('sae/d_sae', [dSae])], 'sae/features/shape', { axis: 0 });
  const code = part.name(signature.code);
  let reconstruction = part.name(signature.reconstruction);

  const leadingDims = channelsLastShape(types.get(tensor)?.shape, layout).slice(0, -1);
  const open = leadingDims.map(size => (size === '?' ? undefined : size));
  let delta: string | undefined;
  const plain = reconstruction;
  if (steer) {
    delta = takeName(names, 'features_delta');
    inputs.push(makeValue(delta, TYPES.float32, [...open, dSae]));
    const cast = signature.inputType === 'float32' ? delta : add('Cast', [delta], 'sae/delta/cast', { to: saeType });
    const steered = add('Add', [code, asRows(cast, dSae, 'sae/delta/rows')], 'sae/features/steered');
    const again = decodedAgain(converted.nodes, code, steered, reconstruction, names);
    if (!again)
      throw new FileFormatError(`${signature.reconstruction} does not depend on ${signature.code}`, { file: sae.file });
    nodes.push(...again.nodes);
    reconstruction = again.result;
  }

  const originalRead = target === tensor ? read : brought(seam.original, target, targetLayout);
  const originalRows = target === tensor ? rows : asRows(originalRead, dOut, 'sae/target/rows');
  let result = reconstruction;
  if (keepError) {
    const error = add('Sub', [originalRows, plain], 'sae/error');
    result = add('Add', [result, error], 'sae/reconstruction_and_error');
  }
  const mask = maskInput(host, options.mask, targetLayout, target);
  if (mask !== undefined) {
    const isKept = add('Cast', [maskRows(host, mask, originalRead, add, constant)], 'sae/mask/kept', {
      to: TYPES.bool,
    });
    result = add('Where', [isKept, result, originalRows], 'sae/masked');
  }
  const shape = add('Shape', [originalRead], 'sae/target/shape');
  result = add('Reshape', [result, shape], 'sae/whole');
  const turned = channelsLast(targetLayout);
  if (turned) result = add('Transpose', [result], 'sae/turned_back', { perm: inverse(turned) });
  nodes.push(
    type === signature.inputType
      ? makeNode('Identity', [result], [target])
      : makeNode('Cast', [result], [target], { to: codeOf(type) }),
  );
  if (type !== signature.inputType)
    notes.push(`${target} is ${type}: cast to ${signature.inputType} and back at the seam`);

  const features = takeName(names, 'features');
  if (features !== 'features')
    notes.push(`the model has a tensor named features: the autoencoder's are called ${features}`);
  const shaped =
    signature.inputType === 'float32' ? code : add('Cast', [code], 'sae/features/cast', { to: TYPES.float32 });
  nodes.push(makeNode('Reshape', [shaped, featureShape], [features]));

  const merged = withGraph(seam.model, {
    ...graph,
    node: inRunningOrder([...(graph.node ?? []), ...nodes]),
    initializer: [...(graph.initializer ?? []), ...initializers],
    input: inputs,
    output: [...(graph.output ?? []), makeValue(features, TYPES.float32, [...open, dSae])],
  });
  const record = {
    tensor,
    target,
    features,
    d_sae: dSae,
    features_delta: delta ?? null,
    keep_error: keepError,
    mask: mask ?? null,
  };
  return {
    model: withVersions(merged, sae, JSON.stringify(record)),
    tensor,
    target,
    features,
    delta,
    mask,
    layout,
    targetLayout,
    dSae,
    notes,
  };
}

/** The mask as [rows, 1]. A mask that also counts cached positions ends with those of this call. */
function maskRows(
  host: HostModel,
  mask: string,
  read: string,
  add: (op: string, from: readonly string[], to: string, attributes?: object) => string,
  constant: (name: string, values: readonly number[]) => string,
): string {
  let current = mask;
  if (host.inputs.some(({ name }) => /past|cache/i.test(name))) {
    const length = add(
      'Gather',
      [add('Shape', [read], 'sae/mask/shape'), constant('sae/mask/axis', [1])],
      'sae/mask/length',
      { axis: 0 },
    );
    const start = add('Neg', [length], 'sae/mask/start');
    const end = constant('sae/mask/end', [2 ** 31 - 1]);
    current = add('Slice', [current, start, end, constant('sae/mask/axes', [1])], 'sae/mask/current');
  }
  return add('Reshape', [current, constant('sae/mask/rows', [-1, 1])], 'sae/mask/column');
}

/** A tensor's shape with the channels last; its dimensions are open where they are not known. */
function channelsLastShape(
  shape: readonly (number | string)[] | undefined,
  layout: Layout,
): readonly (number | string)[] {
  const known = shape ?? new Array<string>(layout.rank).fill('?');
  const turned = channelsLast(layout);
  return turned ? turned.map(axis => known[axis]!) : known;
}

/** Whether tensor `name` is computed from tensor `from`. */
export function dependsOn({ proto: { graph } }: OnnxModel, name: string, from: string): boolean {
  const producer = new Map<string, NodeMessage>();
  for (const node of graph.node ?? [])
    for (const output of node.output ?? []) if (output !== '') producer.set(output, node);
  const seen = new Set<string>();
  const pending = [name];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (seen.has(next)) continue;
    seen.add(next);
    const node = producer.get(next);
    if (!node) continue;
    for (const input of namesRead(node)) {
      if (input === from) return true;
      pending.push(input);
    }
  }
  return false;
}

/** Adds the versions that both models need, and the record of what was spliced. */
function withVersions(merged: OnnxModel, sae: OnnxModel, record: string): OnnxModel {
  const imports = [...(merged.proto.opsetImport ?? [])];
  for (const { domain, version } of sae.proto.opsetImport ?? []) {
    if (!domain || domain === 'ai.onnx') continue;
    const same = imports.find(entry => entry.domain === domain);
    if (!same) imports.push({ domain, version: version ?? null });
    else if (toInteger(same.version) !== toInteger(version)) {
      throw new FileFormatError(`it needs ${domain} ${toInteger(version)}, the model has ${toInteger(same.version)}`, {
        file: sae.file,
      });
    }
  }
  // The parted norms of EmbedLayerNormalization and its kind are com.microsoft's; their hosts import that domain.
  const own = Object.values(METADATA_KEYS) as readonly string[];
  const properties = (merged.proto.metadataProps ?? []).filter(
    ({ key }) => !own.includes(key ?? '') && key !== SPLICE_KEY,
  );
  // Initializers that are not inputs as well came with IR version 4.
  const irVersion = Math.max(toInteger(merged.proto.irVersion), toInteger(sae.proto.irVersion), 4);
  return {
    ...merged,
    proto: {
      ...merged.proto,
      irVersion,
      opsetImport: imports,
      metadataProps: [...properties, { key: SPLICE_KEY, value: record }],
    },
  };
}
