/**
 * Reads bytes as a validated ONNX model. A model that this accepts is safe to hand to ONNX Runtime, which checks less
 * than it should before it allocates or follows a path. Only the re-encoded message goes there, never the original
 * bytes, because the two decoders could read an odd file differently.
 */
import { FileFormatError } from '../errors.ts';
import { otherFormat } from '../files/other-format.ts';
import { type GraphMessage, type ModelMessage, onnx, type TensorMessage, toInteger } from './proto.ts';
import { validateModel } from './validate.ts';
import { wireProblem } from './wire.ts';

/** What protobuf can hold in one message. */
export const MAX_MODEL_BYTES = 2 ** 31 - 1;
/** Shorter than any file with a graph, an opset and an IR version. */
const MIN_BYTES = 8;

/**
 * The oldest version of the format that is read. ONNX Runtime itself refuses versions that are too new, and says which
 * it takes.
 */
const OLDEST_IR = 3;

/** A model that was read and validated. */
export interface OnnxModel {
  readonly proto: ModelMessage & { readonly graph: GraphMessage };
  /** The file's name, for messages; `undefined` for bytes. */
  readonly file: string | undefined;
  /** The data that are too large to be read into the model; `undefined` where there are none. */
  readonly beside?: DataBeside;
}

/** Data of a model that stay in files beside it: they are checked, and ONNX Runtime reads them from there. */
export interface DataBeside {
  /** The model's folder, an absolute path without symbolic links. */
  readonly folder: string;
  /** Reads part of a file in it. */
  read(location: string, offset: number, length: number): Promise<Uint8Array>;
  /** The tensors whose data were checked; no others go to ONNX Runtime. */
  readonly tensors: ReadonlySet<TensorMessage>;
}

/** What a file is that is not ONNX, judged by its first bytes. */
const whatElse = (bytes: Uint8Array): string => otherFormat(bytes) ?? 'it is damaged, or another kind of file';

function decode(bytes: Uint8Array, file: string | undefined): OnnxModel['proto'] {
  const problem = wireProblem(bytes);
  if (problem !== undefined) throw new FileFormatError(`not an ONNX model: ${whatElse(bytes)}: ${problem}`, { file });
  let proto: ModelMessage;
  try {
    proto = onnx.ModelProto.decode(bytes);
  } catch (cause) {
    throw new FileFormatError(`not an ONNX model: ${whatElse(bytes)}`, { file, cause });
  }

  const { graph } = proto;
  if (!graph) throw new FileFormatError(`not an ONNX model: it has no graph; ${whatElse(bytes)}`, { file });
  // Training information is dropped: this package does not use it, and its graphs would have to be checked as well.
  return { ...proto, graph, trainingInfo: [] };
}

function checkVersions(proto: ModelMessage, file: string | undefined): void {
  const ir = toInteger(proto.irVersion);
  if (!(ir >= OLDEST_IR)) throw new FileFormatError(`IR version ${ir}; expected ${OLDEST_IR} or later`, { file });
  const domains = proto.opsetImport ?? [];
  const opset = toInteger(domains.find(entry => !entry.domain || entry.domain === 'ai.onnx')?.version);
  if (!(opset >= 1)) throw new FileFormatError(`opset ${opset} of the default domain; expected 1 or later`, { file });
}

/**
 * Reads and validates an ONNX model. `file` names it in errors.
 * @throws FileFormatError where the bytes are no ONNX model, or one that is inconsistent, unsafe or of a version not
 *   known: see `validateModel`
 */
export function readModel(bytes: Uint8Array, { file }: { readonly file?: string | undefined } = {}): OnnxModel {
  if (bytes.length === 0) throw new FileFormatError('the file is empty; expected an ONNX model', { file });
  if (bytes.length > MAX_MODEL_BYTES) {
    throw new FileFormatError(`${bytes.length} bytes; an ONNX model has at most ${MAX_MODEL_BYTES}`, { file });
  }
  if (bytes.length < MIN_BYTES) {
    throw new FileFormatError(`not an ONNX model: it has ${bytes.length} bytes`, { file });
  }

  const proto = decode(bytes, file);
  checkVersions(proto, file);
  validateModel(proto, file);
  return { proto, file };
}

/** The model's `metadata_props`; where a key stands twice, the last one counts. */
export function metadataProperties({ proto }: OnnxModel): Record<string, string> {
  return Object.fromEntries((proto.metadataProps ?? []).map(entry => [entry.key ?? '', entry.value ?? '']));
}
