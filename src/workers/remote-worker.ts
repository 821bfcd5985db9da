/**
 * The owner's end of a connection to a worker. Four things hold for every worker of this package: errors arrive with
 * their class and fields; when a worker dies, the calls that wait for it are rejected with an error that names it; a
 * worker can be ended whatever it does; and ending it always settles.
 *
 * comlink, which has calls and callbacks as well, guarantees none of them: it keeps no list of waiting calls, so that
 * those of a dead worker never settle, and its form of errors is global to the page or process, which a library should
 * not change.
 */
import { DisposedError, WorkerDiedError } from '../errors.ts';
import { reviveError } from './error-message.ts';
import { type CallMessage, type ReplyMessage, transferred, type WorkerPort } from './protocol.ts';

/** Names of the methods of `Api`. */
type Method<Api> = { [Name in keyof Api]: Api[Name] extends (...args: never[]) => unknown ? Name : never }[keyof Api] &
  string;
type Arguments<Fn> = Fn extends (...args: infer Args) => unknown ? Args : never;
type Result<Fn> = Fn extends (...args: never[]) => infer Value ? Awaited<Value> : never;

type Callback = (...args: readonly unknown[]) => void;

/** A call that waits for its answer. */
interface Pending {
  readonly callbacks: ReadonlyMap<number, Callback>;
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

/** Milliseconds that `dispose` waits for calls under way. */
const GRACE = 2000;
/** Milliseconds that it then waits for the thread to stop. A thread takes a few, unless it hangs in native code. */
const GRACE_TO_STOP = 500;

/** A worker that serves the methods of `Api` (see serve.ts). */
export class RemoteWorker<Api extends object> implements AsyncDisposable {
  readonly #port: WorkerPort;
  #subject = 'nothing';
  #onDeath: (error: WorkerDiedError) => void = () => {};
  readonly #pending = new Map<number, Pending>();
  #nextId = 0;
  /** Called when nothing waits any more. */
  #onIdle: (() => void) | undefined;
  /** Why the worker answers no more calls. */
  #end: Error | undefined;
  #disposal: Promise<void> | undefined;

  /**
   * Connects to a worker.
   * @param subject as of `assign`
   * @param onDeath as of `assign`
   */
  constructor(port: WorkerPort, subject: string, onDeath?: (error: WorkerDiedError) => void) {
    this.assign(subject, onDeath);
    this.#port = port;
    port.onMessage(message => this.#receive(message as ReplyMessage));
    port.onDeath((reason, cause) => {
      const isUnasked = this.#end === undefined;
      const error = new WorkerDiedError(this.#subject, reason, cause);
      this.#stop(error);
      if (!isUnasked) return;
      this.#onDeath(error);
      // A Web Worker goes on after an error that nothing in it caught.
      void this.#port.terminate();
    });
    port.setBusy?.(false);
  }

  /**
   * Says what runs in the worker from now on.
   * @param subject a name for messages: "shard 2 of 4 of a sparse update"
   * @param onDeath called after a death that was not asked for, once the waiting calls have been rejected. Default:
   *   nothing is called
   */
  assign(subject: string, onDeath: (error: WorkerDiedError) => void = () => {}): void {
    this.#subject = subject;
    this.#onDeath = onDeath;
  }

  /** Whether the worker answers calls. */
  get isAlive(): boolean {
    return this.#end === undefined;
  }

  /**
   * Calls a method. The worker can call a function among the arguments until the call is answered; the function's
   * result is lost. Arguments that `transfer` marked move to the worker.
   * @throws the error that the method throws
   * @throws WorkerDiedError where the worker died
   * @throws DisposedError after `dispose`
   */
  async call<Name extends Method<Api>>(method: Name, ...args: Arguments<Api[Name]>): Promise<Result<Api[Name]>> {
    if (this.#end) throw this.#end;
    const callbacks = new Map<number, Callback>();
    const sent = (args as unknown[]).map((arg, at) => {
      if (typeof arg !== 'function') return arg;
      callbacks.set(at, arg as Callback);
      return undefined;
    });
    const id = this.#nextId++;
    const message: CallMessage = { id, method, args: sent, callbacks: [...callbacks.keys()] };
    // A value that cannot be cloned throws here, before anything waits.
    this.#port.post(message, transferred(args));
    this.#port.setBusy?.(true);
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { callbacks, resolve: resolve as Pending['resolve'], reject });
    });
  }

  /**
   * Refuses further calls, waits for those under way, and ends the thread. Calls that are not answered after `grace`
   * milliseconds (default 2000) are rejected with DisposedError, and the thread is ended in the midst of them. The
   * promise always settles, also where the thread hangs in native code, which nothing stops but a signal that ends the
   * process.
   */
  dispose(grace = GRACE): Promise<void> {
    this.#disposal ??= this.#dispose(grace);
    return this.#disposal;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  async #dispose(grace: number): Promise<void> {
    this.#end ??= new DisposedError(`${this.#subject} was disposed of`);
    if (this.#pending.size > 0) {
      const idle = new Promise<void>(resolve => {
        this.#onIdle = resolve;
      });
      await within(grace, idle);
    }
    this.#stop(this.#end);
    await within(GRACE_TO_STOP, this.#port.terminate());
  }

  #receive(reply: ReplyMessage): void {
    const pending = this.#pending.get(reply.id);
    if (!pending) return;
    if ('callback' in reply) {
      pending.callbacks.get(reply.callback)?.(...reply.args);
      return;
    }
    this.#pending.delete(reply.id);
    if ('error' in reply) pending.reject(reviveError(reply.error));
    else pending.resolve(reply.result);
    if (this.#pending.size > 0) return;
    this.#port.setBusy?.(false);
    this.#onIdle?.();
  }

  #stop(error: Error): void {
    this.#end ??= error;
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
    this.#onIdle?.();
  }
}

/** Settles with `task`, at the latest after `milliseconds`. */
async function within(milliseconds: number, task: Promise<unknown>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<void>(resolve => {
    timer = setTimeout(resolve, milliseconds);
  });
  try {
    await Promise.race([task, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
