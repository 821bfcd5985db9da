/**
 * Finds out which tensors of a file are input, code and reconstruction: by their names where the metadata say that this
 * package wrote the file, otherwise by inference (inferred-signature.ts).
 */
import { FileFormatError, InvalidValueError } from '../errors.ts';
import type { TensorDescription } from '../onnx/inspect.ts';
import { type ModelKind, type ModelMetadata, TENSOR_NAMES } from '../onnx/metadata.ts';
import type { OnnxModel } from '../onnx/read.ts';
import { inferSignature } from './inferred-signature.ts';
import { scattersSelected } from './selected-features.ts';
import {
  describeInput,
  describeTensors,
  type GivenNames,
  listCandidates,
  type Signature,
  sampleShapeOf,
} from './signature.ts';

function contractSignature(model: OnnxModel, metadata: ModelMetadata, kind: ModelKind, given: GivenNames): Signature {
  const { file } = model;
  const names = TENSOR_NAMES[kind];
  const tensors = describeTensors(model);
  const require = (name: string): TensorDescription => {
    const tensor = tensors.get(name);
    if (!tensor) {
      throw new FileFormatError(
        `a ${kind} has a tensor ${name}, which this file lacks; there are\n  ${listCandidates(model)}`,
        {
          file,
        },
      );
    }
    return tensor;
  };

  const code = require(given.code ?? ('features' in names ? names.features : names.hidden));
  const reconstruction = require(given.reconstruction ?? names.reconstruction);
  const sparse = 'sparse' in names ? names.sparse : undefined;
  const input = describeInput(model, given.input ?? names.input);
  const width = sampleShapeOf(code)?.at(-1) ?? 0;
  const hasSparse = sparse && scattersSelected(model, { ...sparse, input: input.input, features: code.name, width });
  return {
    kind,
    ...input,
    code: code.name,
    codeShape: sampleShapeOf(code),
    reconstruction: reconstruction.name,
    reconstructionShape: sampleShapeOf(reconstruction),
    directions: {
      name: given.featureDirections ?? metadata.featureDirections ?? names.directions,
      isTransposed: false,
    },
    sparse: hasSparse ? sparse : undefined,
    decoderInputs: metadata.decoderInputs,
  };
}

/**
 * Finds out which tensors of `model` are input, code and reconstruction.
 * @param wanted the kind of model that the caller means to load
 * @param given names from the caller
 * @throws FileFormatError where the file holds another kind of model, lacks a tensor, or leaves open which tensor is
 *   which: the message lists the candidates and the options that name them
 * @throws InvalidValueError where the caller asks for another kind than the file's metadata state
 */
export function resolveSignature(
  model: OnnxModel,
  metadata: ModelMetadata,
  wanted: 'sparse-autoencoder' | 'toy-model',
  given: GivenNames,
): Signature {
  const kind = metadata.kind ?? given.kind;
  const isSae = wanted === 'sparse-autoencoder';
  if (kind !== undefined && (kind === 'sparse-autoencoder') !== isSae) {
    const source = metadata.kind ? 'its metadata says' : 'the option kind says';
    const use = isSae ? 'loadToyModel' : 'loadSae';
    throw new FileFormatError(`expected a ${wanted}; ${source} ${kind}: use ${use}`, { file: model.file });
  }
  if (metadata.kind && given.kind && metadata.kind !== given.kind) {
    throw new InvalidValueError(`kind '${given.kind}' was asked for; the file is a ${metadata.kind}`);
  }
  return metadata.kind
    ? contractSignature(model, metadata, metadata.kind, given)
    : inferSignature(model, metadata, wanted, given);
}
