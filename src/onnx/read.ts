/**
 * Bytes → a validated ONNX model. Whatever this accepts is safe to hand to ONNX Runtime, which checks less than it should before
 * it allocates or follows a path. Only the re-encoded message goes there, never the bytes as they came: the two decoders could
 * read an odd file differently.
 */
import { FileFormatError } from '../errors.ts';
import { type GraphMessage, type ModelMessage, onnx, toInteger } from './proto.ts';
import { validateModel } from './validate.ts';
import { wireProblem } from './wire.ts';

/** What protobuf can hold in one message. */
export const MAX_MODEL_BYTES = 2 ** 31 - 1;
/** Shorter than any file with a graph, an opset and an IR version. */
const MIN_BYTES = 8;

const OLDEST_IR = 3;
/** Later versions have fields that onnx-proto does not know; those that matter to a model's numbers are refused by name. */
const NEWEST_IR = 13;
const NEWEST_OPSET = 30;

/** A model that was read and validated. */
export interface OnnxModel {
  readonly proto: ModelMessage & { readonly graph: GraphMessage };
  /** Where it came from, for messages; undefined for bytes. */
  readonly file: string | undefined;
}

/** What a file is that is not ONNX, by its first bytes. */
function otherFormat(bytes: Uint8Array): string {
  const start = new TextDecoder('latin1').decode(bytes.subarray(0, 64));
  if (start.startsWith('PK')) return 'it looks like a zip archive (a PyTorch checkpoint or .npz?)';
  if (start.startsWith('\x93NUMPY')) return 'it looks like a .npy array';
  if (start.startsWith('\x89HDF')) return 'it looks like an HDF5 file';
  if (start.startsWith('version https://git-lfs')) return 'it is a Git LFS pointer: fetch the file itself';
  if (/^.{8}\{"/s.test(start)) return 'it looks like a .safetensors file';
  if (/^\s*[{[]/.test(start)) return 'it looks like JSON';
  if (/^\s*<(!doctype|html|\?xml)/i.test(start)) return 'it looks like an HTML page: is the address right?';
  return 'it is damaged, or another kind of file';
}

function decode(bytes: Uint8Array, file: string | undefined): OnnxModel['proto'] {
  const problem = wireProblem(bytes);
  if (problem !== undefined)
    throw new FileFormatError(`not an ONNX model: ${otherFormat(bytes)}: ${problem}`, { file });
  let proto: ModelMessage;
  try {
    proto = onnx.ModelProto.decode(bytes);
  } catch (cause) {
    throw new FileFormatError(`not an ONNX model: ${otherFormat(bytes)}`, { file, cause });
  }

  const { graph } = proto;
  if (!graph) throw new FileFormatError(`not an ONNX model: it has no graph; ${otherFormat(bytes)}`, { file });
  // Nothing here trains: its graphs would have to be checked as well.
  return { ...proto, graph, trainingInfo: [] };
}

function checkVersions(proto: ModelMessage, file: string | undefined): void {
  const ir = toInteger(proto.irVersion);
  if (!(ir >= OLDEST_IR && ir <= NEWEST_IR)) {
    throw new FileFormatError(`IR version ${ir}; expected ${OLDEST_IR} to ${NEWEST_IR}`, { file });
  }
  const domains = proto.opsetImport ?? [];
  const opset = toInteger(domains.find(entry => !entry.domain || entry.domain === 'ai.onnx')?.version);
  if (!(opset >= 1 && opset <= NEWEST_OPSET)) {
    throw new FileFormatError(`opset ${opset} of the default domain; expected 1 to ${NEWEST_OPSET}`, { file });
  }
}

/**
 * Reads and validates an ONNX model.
 * `file` names it in errors. FileFormatError where the bytes are no ONNX model, or one that is inconsistent, unsafe or of a
 * version not known: see `validateModel`.
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
