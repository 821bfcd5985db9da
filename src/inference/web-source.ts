/** Where a model may come from in a browser: addresses, bytes, Blobs and Files. Node takes these too. */
import { FileFormatError, InvalidTypeError, InvalidValueError } from '../errors.ts';
import { hasExternalData, inlineExternalData, type ReadExternal } from '../onnx/external-data.ts';
import { MAX_MODEL_BYTES, type OnnxModel, readModel } from '../onnx/read.ts';

/** An address (relative ones as the page sees them), the file's bytes, or a Blob or File. */
export type WebModelSource = string | URL | Uint8Array | ArrayBuffer | Blob;

/** How a model is read. */
export interface ReadOptions {
  /** Whether data outside the file is read in. Inspecting a model does not need it. Default true. */
  readonly external?: boolean;
}

/**
 * The absolute form of an address, which is relative to the page; a worker would resolve it differently.
 * @throws InvalidValueError where `address` is none
 */
export function resolveAddress(address: string | URL): URL {
  try {
    return new URL(address, globalThis.document?.baseURI ?? globalThis.location?.href);
  } catch (cause) {
    throw new InvalidValueError(`${String(address).slice(0, 200)} is no address`, { cause });
  }
}

/**
 * All bytes of a response.
 * @throws RangeError as soon as they are more than an ONNX model can have
 */
async function readBody({ body }: Response): Promise<Uint8Array> {
  let size = 0;
  const limit = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      size += chunk.length;
      if (size > MAX_MODEL_BYTES) throw new RangeError(`more than ${MAX_MODEL_BYTES} bytes`);
      controller.enqueue(chunk);
    },
  });
  return new Uint8Array(await new Response(body?.pipeThrough(limit) ?? null).arrayBuffer());
}

/** Refuses more bytes than one model can have, before they are read. */
function requireReadable(size: number, file: string | undefined): void {
  if (size <= MAX_MODEL_BYTES) return;
  throw new FileFormatError(
    `${size} bytes; what is held in memory has at most ${MAX_MODEL_BYTES}: load a larger model by its path in Node`,
    { file },
  );
}

async function fetchBytes(url: URL): Promise<Uint8Array> {
  const file = url.href.length > 200 ? `${url.href.slice(0, 200)}…` : url.href;
  let response: Response;
  try {
    response = await fetch(url);
    if (response.ok) {
      requireReadable(Number(response.headers.get('content-length') ?? 0), file);
      return await readBody(response);
    }
  } catch (cause) {
    if (cause instanceof FileFormatError) throw cause;
    throw new FileFormatError(`cannot be fetched: ${(cause as Error).message}`, { file, cause });
  }
  throw new FileFormatError(`cannot be fetched: HTTP ${response.status} ${response.statusText}`, { file });
}

/** Reads external data from addresses below the model's folder; each file is fetched once. */
function fetchBeside(model: URL): ReadExternal {
  const fetched = new Map<string, Promise<Uint8Array>>();
  return async (location, offset, length) => {
    const path = location.split('/').map(encodeURIComponent).join('/');
    const bytes = fetched.get(path) ?? fetchBytes(new URL(path, model));
    fetched.set(path, bytes);
    return (await bytes).slice(offset, offset + length);
  };
}

/** Refuses a model whose data lie outside the file, where there is no folder in which to look for them. */
function requireWhole(model: OnnxModel, { external = true }: ReadOptions): OnnxModel {
  if (external && hasExternalData(model)) {
    throw new FileFormatError('its data is in another file beside it: load it by its path or address', {
      file: model.file,
    });
  }
  return model;
}

/**
 * Reads and validates the model at `source`.
 * @throws FileFormatError where it cannot be read or is no sound ONNX model (see `readModel`)
 * @throws InvalidTypeError where `source` is none of these
 */
export async function readWebSource(source: WebModelSource, options: ReadOptions = {}): Promise<OnnxModel> {
  if (source instanceof Uint8Array) return requireWhole(readModel(source), options);
  if (source instanceof ArrayBuffer) return requireWhole(readModel(new Uint8Array(source)), options);
  if (source instanceof Blob) {
    const file = source instanceof File ? source.name : undefined;
    requireReadable(source.size, file);
    return requireWhole(readModel(new Uint8Array(await source.arrayBuffer()), { file }), options);
  }
  if (typeof source !== 'string' && !(source instanceof URL)) {
    throw new InvalidTypeError(`a model's source is an address, bytes, Blob or File; got ${typeof source}`);
  }

  const url = resolveAddress(source);
  const model = readModel(await fetchBytes(url), { file: url.href });
  const { external = true } = options;
  // A data: or blob: address has no folder in which other files could lie.
  if (!/^https?:$/.test(url.protocol)) return requireWhole(model, options);
  return external && hasExternalData(model) ? inlineExternalData(model, fetchBeside(url)) : model;
}
