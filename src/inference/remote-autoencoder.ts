/**
 * An autoencoder in a worker. Calls become messages, so that neither reading the file nor running it holds the thread that asks.
 * The two sides share nothing but this file's message types; a port hides whether the worker is Node's or a browser's.
 */
import * as errors from '../errors.ts';
import type { HostTensor, HostTensors, Shape } from '../tensor.ts';
import type { Autoencoder, AutoencoderInfo, CodeSamples } from './autoencoder.ts';
import type { Samples } from './samples.ts';
import type { SparseFeatures } from './sparse-features.ts';

type Method = Exclude<keyof Autoencoder, 'info'>;

/** To the worker: first `load` with whatever its opener takes, then calls. */
export interface CallMessage {
  readonly id: number;
  readonly method: Method | 'load';
  readonly args: readonly unknown[];
}

/** An error as structured cloning can carry it: our classes would arrive as plain errors. */
interface ErrorMessage {
  readonly name: string;
  readonly message: string;
  readonly file?: string | undefined;
  readonly reasons?: readonly string[] | undefined;
}

export type ReplyMessage = { readonly id: number } & ({ readonly result: unknown } | { readonly error: ErrorMessage });

/** One end of a connection. */
export interface Port {
  post(message: unknown, transfer: ArrayBuffer[]): void;
  onMessage(listener: (message: unknown) => void): void;
}

/** The asking end: it can also lose and stop the worker. */
export interface WorkerPort extends Port {
  onFailure(listener: (error: Error) => void): void;
  terminate(): Promise<void>;
  /** Whether the worker keeps the process alive: only while it is asked something. */
  setBusy?(isBusy: boolean): void;
}

function describeError(error: unknown): ErrorMessage {
  const { name, message, file, reasons } = error as errors.FileFormatError & errors.EngineUnavailableError;
  return { name: name ?? 'Error', message: message ?? String(error), file, reasons };
}

function reviveError({ name, message, file, reasons }: ErrorMessage): Error {
  switch (name) {
    case 'FileFormatError':
      // The constructor puts the file before the message.
      return new errors.FileFormatError(file === undefined ? message : message.slice(`${file}: `.length), { file });
    case 'EngineUnavailableError':
      return new errors.EngineUnavailableError(message, reasons);
    case 'InvalidValueError':
      return new errors.InvalidValueError(message);
    case 'InvalidShapeError':
      return new errors.InvalidShapeError(message);
    case 'InvalidTypeError':
      return new errors.InvalidTypeError(message);
    case 'MissingPackageError':
      return new errors.MissingPackageError(message);
    case 'DisposedError':
      return new errors.DisposedError(message);
    default:
      return new Error(message);
  }
}

/** Buffers of a result that can be handed over: each result's arrays are its own. */
function buffersOf(result: unknown, found = new Set<ArrayBuffer>()): ArrayBuffer[] {
  if (ArrayBuffer.isView(result)) {
    const { buffer, byteLength } = result;
    if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength && byteLength > 0) found.add(buffer);
  } else if (typeof result === 'object' && result !== null) {
    for (const value of Object.values(result)) buffersOf(value, found);
  }
  return [...found];
}

/** Serves one model in a worker; `load` opens it from the arguments of the first call. */
export function serveAutoencoder(port: Port, load: (...args: readonly never[]) => Promise<Autoencoder>): void {
  let autoencoder: Autoencoder | undefined;
  const answer = async ({ method, args }: CallMessage): Promise<unknown> => {
    if (method === 'load') {
      autoencoder = await load(...(args as never[]));
      return autoencoder.info;
    }
    if (!autoencoder) throw new errors.DisposedError('no model was loaded');
    return (autoencoder[method] as (...args: unknown[]) => Promise<unknown>)(...args);
  };
  port.onMessage(message => {
    const call = message as CallMessage;
    answer(call).then(
      result => port.post({ id: call.id, result }, buffersOf(result)),
      error => port.post({ id: call.id, error: describeError(error) }, []),
    );
  });
}

interface Pending {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

/** The asking end of a connection. */
class Connection {
  readonly #port: WorkerPort;
  readonly #pending = new Map<number, Pending>();
  #nextId = 0;
  #failure: Error | undefined;

  constructor(port: WorkerPort) {
    this.#port = port;
    port.onMessage(message => this.#settle(message as ReplyMessage));
    port.onFailure(error => this.#fail(error));
    port.setBusy?.(false);
  }

  #settle(reply: ReplyMessage): void {
    const pending = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if (this.#pending.size === 0) this.#port.setBusy?.(false);
    if ('error' in reply) pending?.reject(reviveError(reply.error));
    else pending?.resolve(reply.result);
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
  }

  call<T>(method: CallMessage['method'], args: readonly unknown[]): Promise<T> {
    if (this.#failure) return Promise.reject(this.#failure);
    return new Promise<T>((resolve, reject) => {
      const id = this.#nextId++;
      // Posted first: what cannot be cloned throws here and leaves nothing pending.
      this.#port.post({ id, method, args } satisfies CallMessage, []);
      this.#pending.set(id, { resolve: resolve as Pending['resolve'], reject });
      this.#port.setBusy?.(true);
    });
  }

  /** Lets every call made so far end, then stops the worker. */
  async close(message: string): Promise<void> {
    const pending = this.#pending.size > 0 || !this.#failure ? this.call('dispose', []).catch(() => {}) : undefined;
    this.#failure ??= new errors.DisposedError(message);
    await pending;
    await this.#port.terminate();
  }
}

class RemoteAutoencoder implements Autoencoder {
  readonly info: AutoencoderInfo;
  readonly #connection: Connection;
  #disposal: Promise<void> | undefined;

  constructor(info: AutoencoderInfo, connection: Connection) {
    this.info = info;
    this.#connection = connection;
  }

  encode(input: Samples, shape?: Shape): Promise<HostTensor> {
    return this.#connection.call('encode', [input, shape]);
  }

  encodeSparse(input: Samples, shape?: Shape): Promise<SparseFeatures> {
    return this.#connection.call('encodeSparse', [input, shape]);
  }

  decode(code: CodeSamples, shape?: Shape, inputs?: HostTensors): Promise<HostTensor> {
    return this.#connection.call('decode', [code, shape, inputs]);
  }

  forward(input: Samples, shape?: Shape): Promise<{ readonly code: HostTensor; readonly reconstruction: HostTensor }> {
    return this.#connection.call('forward', [input, shape]);
  }

  decoderInputs(input: Samples, shape?: Shape): Promise<HostTensors> {
    return this.#connection.call('decoderInputs', [input, shape]);
  }

  featureDirections(): Promise<HostTensor> {
    return this.#connection.call('featureDirections', []);
  }

  dispose(): Promise<void> {
    this.#disposal ??= this.#connection.close(`${this.info.file ?? 'this model'} was disposed of`);
    return this.#disposal;
  }
}

/** Loads a model in the worker behind `port`; `args` go to its opener. Its errors arrive as they were thrown. */
export async function connectAutoencoder(port: WorkerPort, args: readonly unknown[]): Promise<Autoencoder> {
  const connection = new Connection(port);
  try {
    const info = await connection.call<AutoencoderInfo>('load', args);
    return new RemoteAutoencoder(info, connection);
  } catch (error) {
    await port.terminate();
    throw error;
  }
}
