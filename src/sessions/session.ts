/**
 * Opens and runs ONNX Runtime sessions: providers are tried one at a time, and the reason of each that does not load is
 * kept.
 */
import type { InferenceSession } from 'onnxruntime-common';
import { DisposedError, EngineUnavailableError, FileFormatError, InvalidValueError } from '../errors.ts';
import { Queue } from './queue.ts';
import type { Provider, Runtime } from './runtime.ts';

/** Inputs by name. */
export type Feeds = InferenceSession.FeedsType;
/** Names of the outputs wanted, or preallocated tensors by name, which are filled in place. */
export type Fetches = InferenceSession.FetchesType;
/** Outputs by name. */
export type Outputs = InferenceSession.ReturnType;

/** How a session is opened. */
export interface SessionOptions {
  /** The provider; `auto` takes the first of the runtime's candidates that loads. Default `auto`. */
  readonly provider?: Provider | 'auto';
  /** Threads of the cpu provider within an operator. Default: ONNX Runtime's, one per core. */
  readonly threads?: number;
  /** Further options for ONNX Runtime. */
  readonly sessionOptions?: InferenceSession.SessionOptions;
  /** The folder of the data that lie outside the model; ONNX Runtime reads them from there and nowhere else. */
  readonly externalFolder?: string | undefined;
  /** Where the model came from, for messages. */
  readonly file?: string | undefined;
}

/** A provider that was tried and did not load, and why. */
export interface Attempt {
  readonly provider: Provider;
  readonly reason: string;
}

/** An open session. */
export interface Session {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  /**
   * The type and shape that ONNX Runtime inferred of each output, in the order of `outputNames`. A shape [] is a
   * scalar's, or unknown.
   */
  readonly outputMetadata: InferenceSession['outputMetadata'];
  /**
   * Runs the model; calls may overlap.
   * @throws DisposedError after `dispose`
   */
  run(feeds: Feeds, fetches?: Fetches): Promise<Outputs>;
  /** Frees the session once its runs are done; more calls do nothing. */
  dispose(): Promise<void>;
}

/** A session with the provider that it runs on, and the providers that were tried before. */
export interface OpenedSession {
  readonly session: Session;
  readonly provider: Provider;
  readonly attempts: readonly Attempt[];
}

/** The queue of each runtime whose calls must not overlap, because its sessions share one WebAssembly stack. */
const queues = new WeakMap<Runtime['ort'], Queue>();

function queueOf(runtime: Runtime): Queue | undefined {
  if (!runtime.runsOneAtATime) return undefined;
  const queue = queues.get(runtime.ort) ?? new Queue();
  queues.set(runtime.ort, queue);
  return queue;
}

class OrtSession implements Session {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  readonly outputMetadata: InferenceSession['outputMetadata'];
  readonly #session: InferenceSession;
  readonly #queue: Queue | undefined;
  readonly #running = new Set<Promise<unknown>>();
  #disposal: Promise<void> | undefined;

  constructor(session: InferenceSession, queue: Queue | undefined) {
    this.#session = session;
    this.#queue = queue;
    this.inputNames = session.inputNames;
    this.outputNames = session.outputNames;
    this.outputMetadata = session.outputMetadata;
  }

  run(feeds: Feeds, fetches: Fetches = this.outputNames): Promise<Outputs> {
    if (this.#disposal) return Promise.reject(new DisposedError('this session was disposed of'));
    const start = () => this.#session.run(feeds, fetches);
    const running = this.#queue ? this.#queue.add(start) : start();
    this.#running.add(running);
    const done = () => this.#running.delete(running);
    running.then(done, done);
    return running;
  }

  dispose(): Promise<void> {
    this.#disposal ??= Promise.allSettled(this.#running).then(() => this.#session.release());
    return this.#disposal;
  }
}

/** The first line of what ONNX Runtime says, without the C++ function it comes from; the rest is a stack. */
function reasonOf(error: unknown): string {
  const [line = ''] = String((error as Error)?.message ?? error).split('\n');
  const [cudaFailure] = /CUDA failure \d+: [^;]*[^; ]/.exec(line) ?? [];
  if (cudaFailure !== undefined) return cudaFailure;
  return line.replace(/^\S*onnxruntime_src\S+ .* was false\. /, '').replace(/^Error: /, '');
}

/** The message of onnxruntime-web when its own files do not load, which is no fault of the model. */
const RUNTIME_NOT_LOADED = /no available backend found/;

/**
 * Opens a session on `bytes`, which must be a validated model: ONNX Runtime is not safe against others. `auto` tries
 * the providers in turn; a named provider is the only one tried.
 * @throws InvalidValueError where this runtime does not have the provider
 * @throws FileFormatError naming `file` where the model is at fault: the provider that always loads refuses it too
 * @throws EngineUnavailableError otherwise, with the reason of each provider that was tried
 */
export async function openSession(
  runtime: Runtime,
  bytes: Uint8Array,
  { provider: wanted = 'auto', threads, sessionOptions, externalFolder, file }: SessionOptions = {},
): Promise<OpenedSession> {
  const queue = queueOf(runtime);
  const create = async (provider: Provider): Promise<Session> => {
    const executionProvider = runtime.providerOptions[provider];
    if (!executionProvider) {
      const known = ['auto', ...Object.keys(runtime.providerOptions)].join(', ');
      throw new InvalidValueError(`provider '${provider}' is not one of ${runtime.name}'s: ${known}`);
    }
    runtime.beforeOpening?.(provider);
    const start = () =>
      runtime.ort.InferenceSession.create(bytes, {
        executionProviders: [executionProvider],
        // Errors are thrown as well.
        logSeverityLevel: 4,
        ...(threads !== undefined && { intraOpNumThreads: threads }),
        ...(externalFolder !== undefined && {
          extra: { session: { model_external_initializers_file_folder_path: externalFolder } },
        }),
        ...sessionOptions,
      });
    return new OrtSession(await (queue ? queue.add(start) : start()), queue);
  };

  const fallback = runtime.candidates.at(-1)!;
  const attempts: Attempt[] = [];
  for (const provider of wanted === 'auto' ? runtime.candidates : [wanted]) {
    const unlikely = wanted === 'auto' ? runtime.unlikely[provider] : undefined;
    try {
      if (unlikely === undefined) return { session: await create(provider), provider, attempts };
      attempts.push({ provider, reason: unlikely });
    } catch (error) {
      if (error instanceof InvalidValueError) throw error;
      attempts.push({ provider, reason: reasonOf(error) });
    }
  }

  const fault =
    attempts.at(-1)?.provider === fallback ? attempts.at(-1)?.reason : await reasonAgainst(create, fallback);
  if (fault !== undefined && !RUNTIME_NOT_LOADED.test(fault)) {
    throw new FileFormatError(`ONNX Runtime refuses the model: ${fault}`, { file });
  }
  const reasons = attempts.map(({ provider, reason }) => `${provider}: ${reason}`);
  const hint = wanted === 'auto' ? undefined : runtime.hints[wanted];
  throw new EngineUnavailableError(
    `${runtime.name} cannot run the model on ${reasons.join('; ')}${hint ? ` (${hint})` : ''}`,
    reasons,
  );
}

/** Why `provider` does not take a model; `undefined` where it does. */
async function reasonAgainst(
  create: (provider: Provider) => Promise<Session>,
  provider: Provider,
): Promise<string | undefined> {
  try {
    const session = await create(provider);
    await session.dispose();
    return undefined;
  } catch (error) {
    return reasonOf(error);
  }
}
