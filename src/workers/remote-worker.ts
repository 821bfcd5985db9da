/**
 * The owner's end of a connection to a worker. Four things hold for every worker of this package: errors arrive with their class and
 * fields; a worker that dies rejects what waits for it, with an error that says which it was; it can be ended whatever it does; and
 * ending it always settles.
 *
 * comlink, which has calls and callbacks as well, holds none of them: it keeps no list of the calls that wait, so that those of a dead
 * worker never settle, and its form of errors is one for the whole page or process, which a library should not change.
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
/** Milliseconds that it then waits for the thread to stop, which takes a few unless it hangs in native code. */
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
  /** Why nothing can be asked any more. */
  #end: Error | undefined;
  #disposal: Promise<void> | undefined;

  /** Parameters as `assign`. */
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
   *
   * @param subject For messages: "shard 2 of 4 of a sparse update".
   * @param onDeath Is told of a death that was not asked for, once what waits has been rejected. Default nobody is.
   */
  assign(subject: string, onDeath: (error: WorkerDiedError) => void = () => {}): void {
    this.#subject = subject;
    this.#onDeath = onDeath;
  }

  /** Whether it can be asked. */
  get isAlive(): boolean {
    return this.#end === undefined;
  }

  /**
   * Calls a method. A function among the arguments can be called by the worker until the call is answered; what it gives back is lost.
   * Arguments that `transfer` marked move to the worker.
   *
   * @throws What the method throws; WorkerDiedError where the worker died; DisposedError after `dispose`.
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
    // What cannot be cloned throws here, and nothing is left waiting.
    this.#port.post(message, transferred(args));
    this.#port.setBusy?.(true);
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { callbacks, resolve: resolve as Pending['resolve'], reject });
    });
  }

  /**
   * Refuses further calls, waits for those under way, and ends the thread. What is not answered after `grace` milliseconds (default
   * 2000) is rejected with DisposedError, and the thread ended in the midst of it. Settles in any case: also where the thread hangs in
   * native code, which nothing stops but a signal that ends the process.
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

/** Settles with `task`, or after `milliseconds`. */
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
