/**
 * The messages between a worker and its owner: calls, answers, and calls back while one runs. Both ends import this
 * file; neither knows whether the worker is a thread of Node or a Web Worker.
 */
import type { ErrorMessage } from './error-message.ts';

/** A call, from the owner to the worker. */
export interface CallMessage {
  readonly id: number;
  readonly method: string;
  readonly args: readonly unknown[];
  /**
   * Positions of the arguments that are functions. `args` holds nothing there, and the worker gets functions that call
   * back.
   */
  readonly callbacks: readonly number[];
}

/** From the worker to the owner: the answer to call `id`, or a call of one of its functions. */
export type ReplyMessage = { readonly id: number } & (
  | { readonly result: unknown }
  | { readonly error: ErrorMessage }
  | { readonly callback: number; readonly args: readonly unknown[] }
);

/** One end of a connection. */
export interface Port {
  post(message: unknown, transfer: ArrayBuffer[]): void;
  onMessage(listener: (message: unknown) => void): void;
}

/** The owner's end, which can also lose and stop the worker. */
export interface WorkerPort extends Port {
  /** Calls `listener` when the worker has ended, or cannot go on: why, in plain words, and the error where there is one. */
  onDeath(listener: (reason: string, cause?: unknown) => void): void;
  terminate(): Promise<void>;
  /** Says whether the worker keeps the process alive. Absent where no process can end. */
  setBusy?(isBusy: boolean): void;
}

const moved = new WeakMap<object, readonly ArrayBuffer[]>();

/**
 * Marks an argument or a result whose memory moves to the other thread instead of being copied. The sender cannot use
 * it afterwards.
 * @param buffers the buffers that move. Default: every ArrayBuffer that an array within `value` fills completely
 * @returns `value` itself
 */
export function transfer<Value extends object>(
  value: Value,
  buffers: readonly ArrayBuffer[] = buffersIn(value),
): Value {
  moved.set(value, buffers);
  return value;
}

/** The buffers that `transfer` marked in `values`, each once: a buffer that stands in a list twice cannot be sent. */
export function transferred(values: readonly unknown[]): ArrayBuffer[] {
  return [...new Set(values.flatMap(value => (isObject(value) ? (moved.get(value) ?? []) : [])))];
}

function buffersIn(value: unknown, found = new Set<ArrayBuffer>()): ArrayBuffer[] {
  if (ArrayBuffer.isView(value)) {
    const { buffer, byteLength } = value;
    if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength && byteLength > 0) found.add(buffer);
  } else if (isObject(value)) {
    for (const member of Object.values(value)) buffersIn(member, found);
  }
  return [...found];
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
