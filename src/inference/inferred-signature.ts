/**
 * Finds out which tensors of somebody else's file are input, code and reconstruction. A tensor is inferred only where
 * its shape, or the matrix that it is multiplied with, leaves no other reading; otherwise the error lists the
 * candidates and asks for names.
 */
import { FileFormatError } from '../errors.ts';
import { analyseCut } from '../onnx/cut.ts';
import { describeInitializers, describeInputs, describeOutputs, type TensorDescription } from '../onnx/inspect.ts';
import { type ModelMetadata, TENSOR_NAMES } from '../onnx/metadata.ts';
import { type NodeMessage, toInteger } from '../onnx/proto.ts';
import type { OnnxModel } from '../onnx/read.ts';
import type { Shape } from '../tensor.ts';
import { isFloatType } from './float-tensor.ts';
import {
  describeInput,
  describeTensors,
  type GivenNames,
  listCandidates,
  type Signature,
  sampleShapeOf,
} from './signature.ts';

type Wanted = 'sparse-autoencoder' | 'toy-model';

/** A product of a tensor with an initializer. */
interface MatrixProduct {
  readonly operand: string;
  readonly matrix: string;
  /** Shape of the matrix as it multiplies from the right: [width of the operand, width of the result]. */
  readonly shape: readonly [number, number];
  /** Whether the initializer holds the transpose of that. */
  readonly isTransposed: boolean;
  readonly result: string;
}

const isSet = (node: NodeMessage, name: string): boolean =>
  (node.attribute ?? []).some(attribute => attribute.name === name && toInteger(attribute.i) !== 0);

/** Every MatMul and Gemm of the graph whose right operand is an initializer, or the Transpose of one. */
function matrixProducts(model: OnnxModel): MatrixProduct[] {
  const nodes = model.proto.graph.node ?? [];
  const shapes = new Map(describeInitializers(model).map(({ name, shape }) => [name, shape]));
  const transposed = new Map<string, string>();
  for (const node of nodes) {
    const [source = ''] = node.input ?? [];
    if (node.opType === 'Transpose' && shapes.get(source)?.length === 2) transposed.set(node.output?.[0] ?? '', source);
  }

  return nodes.flatMap((node): MatrixProduct[] => {
    const [operand, right = ''] = node.input ?? [];
    const [result] = node.output ?? [];
    const isProduct = node.opType === 'MatMul' || (node.opType === 'Gemm' && !isSet(node, 'transA'));
    const matrix = transposed.get(right) ?? right;
    const shape = shapes.get(matrix);
    if (!isProduct || !operand || !result || shape?.length !== 2) return [];
    const isTransposed = transposed.has(right) !== (node.opType === 'Gemm' && isSet(node, 'transB'));
    const [rows, columns] = shape as [number, number];
    return [{ operand, matrix, isTransposed, shape: isTransposed ? [columns, rows] : [rows, columns], result }];
  });
}

/** Walks back from `name` through what changes numbers but not their meaning: biases, scales, casts. */
function* resultsBefore(model: OnnxModel, name: string): Generator<string> {
  const initializers = new Set(describeInitializers(model).map(initializer => initializer.name));
  const producer = new Map(
    (model.proto.graph.node ?? []).flatMap(node => (node.output ?? []).map(output => [output, node])),
  );
  for (let at: string | undefined = name; at !== undefined; ) {
    yield at;
    const node = producer.get(at);
    if (!node || !['Add', 'Sub', 'Mul', 'Div', 'Identity', 'Cast'].includes(node.opType ?? '')) return;
    const open: string[] = (node.input ?? []).filter(
      input => !initializers.has(input) && producer.get(input)?.opType !== 'Constant',
    );
    at = open.length === 1 ? open[0] : undefined;
  }
}

/** The tensor whose product with one matrix is the reconstruction, if everything that the reconstruction needs goes through it. */
function decoderProduct(model: OnnxModel, reconstruction: string): MatrixProduct | undefined {
  const products = new Map(matrixProducts(model).map(product => [product.result, product]));
  for (const name of resultsBefore(model, reconstruction)) {
    const product = products.get(name);
    if (!product) continue;
    const { missing } = analyseCut(model, { inputs: [product.operand], outputs: [reconstruction] });
    return missing.length === 0 ? product : undefined;
  }
  return undefined;
}

/** The feature directions: the matrix that the code is multiplied with, else the only one of that shape. */
function findDirections(
  model: OnnxModel,
  given: string | undefined,
  code: string,
  shape: readonly [number | undefined, number | undefined],
): Signature['directions'] {
  const matrices = describeInitializers(model).filter(initializer => initializer.shape.length === 2);
  const [width, outWidth] = shape;
  if (given !== undefined) {
    const found = matrices.find(({ name }) => name === given);
    if (!found) {
      throw new FileFormatError(`no matrix ${given} for featureDirections; candidates:\n  ${listCandidates(model)}`, {
        file: model.file,
      });
    }
    const [rows, columns] = found.shape;
    const fits = (wanted: number | undefined, has: number | undefined): boolean =>
      wanted === undefined || wanted === has;
    if (!(fits(width, rows) && fits(outWidth, columns)) && !(fits(width, columns) && fits(outWidth, rows))) {
      const expected = `[${width ?? '?'}, ${outWidth ?? '?'}]`;
      throw new FileFormatError(
        `${given} for featureDirections is [${rows}, ${columns}]; a row for each entry of ${code} would be ${expected}, or its transpose`,
        { file: model.file },
      );
    }
    return { name: given, isTransposed: rows !== width && columns === width };
  }
  const products = matrixProducts(model).filter(({ operand }) => operand === code);
  if (products.length === 1) return { name: products[0]!.matrix, isTransposed: products[0]!.isTransposed };
  const fitting = matrices.filter(({ shape: [rows, columns] }) => rows === width && columns === outWidth);
  return fitting.length === 1 ? { name: fitting[0]!.name, isTransposed: false } : undefined;
}

/** A toy model's directions: the rows of the matrix that its input is multiplied with. */
function findToyDirections(
  model: OnnxModel,
  given: string | undefined,
  input: string,
  width: number,
): Signature['directions'] {
  const product = matrixProducts(model).find(({ operand }) => operand === input);
  if (given === undefined && product) return { name: product.matrix, isTransposed: product.isTransposed };
  return findDirections(model, given ?? 'weight', input, [width, undefined]);
}

/**
 * Infers which tensor is which, as the head of this file says.
 * @param given names from the caller, which are taken as they are
 * @throws FileFormatError where something is left open; the message lists the candidates
 */
export function inferSignature(
  model: OnnxModel,
  metadata: ModelMetadata,
  wanted: Wanted,
  given: GivenNames,
): Signature {
  const { file } = model;
  const isSae = wanted === 'sparse-autoencoder';
  const codeOption = isSae ? 'features' : 'hidden';
  const ask = (problem: string): never => {
    throw new FileFormatError(
      `${problem}. The file has no monosemantic metadata: name its tensors with the options ` +
        `{ kind: '${wanted}', input, ${codeOption}, reconstruction, featureDirections }. Candidates:\n  ${listCandidates(model)}`,
      { file },
    );
  };

  const inputs = describeInputs(model).filter(({ type }) => isFloatType(type));
  if (given.input === undefined && inputs.length !== 1)
    ask(`the graph has ${inputs.length} float inputs; expected one`);
  const input = describeInput(model, given.input ?? inputs[0]!.name);
  const tensors = describeTensors(model);
  const sampleShape = (tensor: TensorDescription) => sampleShapeOf(tensor, input.leading?.rank);
  for (const name of [given.code, given.reconstruction]) {
    if (name === undefined) continue;
    const tensor = tensors.get(name) ?? ask(`the graph has no tensor ${name}`);
    if (tensor.type !== 'unknown' && !isFloatType(tensor.type)) ask(`${name} is ${tensor.type}; expected floats`);
  }
  if (given.code !== undefined && given.code === given.reconstruction) {
    ask(`${given.code} cannot be both ${codeOption} and reconstruction`);
  }

  const outputs = describeOutputs(model).filter(({ type }) => isFloatType(type));
  const isNamed = ({ name }: TensorDescription) => name === given.code || name === given.reconstruction;
  const open = outputs.filter(output => !isNamed(output));
  const hasInputShape = (output: TensorDescription) => String(sampleShape(output)) === String(input.inputShape);
  const byName = (name: string) => open.find(output => output.name === name)?.name;
  const only = (candidates: readonly TensorDescription[]) =>
    candidates.length === 1 ? candidates[0]!.name : undefined;

  const names = isSae ? TENSOR_NAMES['sparse-autoencoder'] : TENSOR_NAMES['toy-model'];
  const reconstruction =
    given.reconstruction ??
    byName(names.reconstruction) ??
    only(open.filter(hasInputShape)) ??
    ask('it is not certain which tensor is the reconstruction');
  const product = decoderProduct(model, reconstruction);
  const codeByName = given.code ?? byName('features' in names ? names.features : names.hidden);
  const others = open.filter(output => output.name !== reconstruction && sampleShape(output) !== undefined);
  const code =
    codeByName ??
    only(others.filter(output => !hasInputShape(output))) ??
    (others.length === 0 ? product?.operand : undefined) ??
    ask(`it is not certain which tensor holds the ${codeOption}`);

  const codeShape: Shape | undefined =
    sampleShape(tensors.get(code)!) ?? (product?.operand === code ? [product.shape[0]] : undefined);
  const reconstructionShape = sampleShape(tensors.get(reconstruction)!) ?? (product ? [product.shape[1]] : undefined);
  const isSettled = given.kind !== undefined || codeByName !== undefined;
  const codeWidth = codeShape?.at(-1);
  const inputWidth = input.inputShape.at(-1)!;
  if (!isSettled && !(isSae && codeWidth !== undefined && codeWidth > inputWidth)) {
    ask(
      `its ${codeOption} would have ${codeWidth ?? '?'} entries and its input ${inputWidth}: a toy model and an SAE with fewer ` +
        'features than inputs have the same shapes, so the kind must be given',
    );
  }

  return {
    kind:
      given.kind ?? (isSae ? 'sparse-autoencoder' : input.inputShape.length > 1 ? 'parallel-toy-model' : 'toy-model'),
    ...input,
    code,
    codeShape,
    reconstruction,
    reconstructionShape,
    directions: isSae
      ? findDirections(model, given.featureDirections, code, [codeWidth, reconstructionShape?.at(-1)])
      : findToyDirections(model, given.featureDirections, input.input, inputWidth),
    sparse: undefined,
    decoderInputs: metadata.decoderInputs,
  };
}
