/**
 * Errors as messages between threads. Structured cloning knows only JavaScript's own error classes and drops most fields; here an error
 * keeps its class, name, message, stack, fields and causes, so that `instanceof` and `error.file` work on either side.
 */
import * as errors from '../errors.ts';

/** An error as structured cloning can carry it. */
export interface ErrorMessage {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  /** The error's own properties: `file`, `step`, a system error's `code`, the cause. */
  readonly fields: readonly (readonly [name: string, value: Carried])[];
}

/** A value that may be an error, or a list with errors in it. */
type Carried = { readonly value: unknown } | { readonly error: ErrorMessage } | { readonly list: readonly Carried[] };

/** Causes of causes are followed to this depth, which also ends a circle of them. */
const DEEPEST_CAUSE = 8;

/** Properties that the message holds in fields of their own. */
const OWN_PLACE = new Set(['name', 'message', 'stack']);

/**
 * A thrown value as plain data. Anything may be thrown: a value that is no error arrives as an error that quotes it.
 */
export function describeError(thrown: unknown, depth = 0): ErrorMessage {
  if (!(thrown instanceof Error)) return { name: 'Error', message: String(thrown), stack: undefined, fields: [] };
  const fields = Object.getOwnPropertyNames(thrown)
    .filter(name => !OWN_PLACE.has(name))
    .map(name => [name, carry(Reflect.get(thrown, name), depth)] as const);
  return { name: thrown.name, message: thrown.message, stack: thrown.stack, fields };
}

function carry(value: unknown, depth: number): Carried {
  if (value instanceof Error) {
    if (depth < DEEPEST_CAUSE) return { error: describeError(value, depth + 1) };
    return { value: String(value) };
  }
  if (Array.isArray(value) && value.some(member => member instanceof Error)) {
    return { list: value.map(member => carry(member, depth)) };
  }
  return { value: isCloneable(value) ? value : String(value) };
}

function isCloneable(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return typeof value !== 'function' && typeof value !== 'symbol';
  try {
    structuredClone(value);
    return true;
  } catch {
    return false;
  }
}

/** The classes that can be told apart on the other side: this package's and JavaScript's own. */
const CLASSES: ReadonlyMap<string, { readonly prototype: object }> = new Map(
  Object.entries({ ...errors, AggregateError, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError })
    .filter(([, value]) => 'prototype' in value && value.prototype instanceof Error)
    .map(([name, value]) => [name, value as { readonly prototype: object }]),
);

/** The error that `message` describes, of its class. A class that is not known here becomes an Error of that name. */
export function reviveError({ name, message, stack, fields }: ErrorMessage): Error {
  // The class's own constructor is not used, because it would compose its message from other parts.
  const error = new Error(message);
  const known = CLASSES.get(name);
  if (known) Object.setPrototypeOf(error, known.prototype);
  if (error.name !== name) define(error, 'name', name);
  if (stack !== undefined) define(error, 'stack', stack);
  for (const [field, value] of fields) define(error, field, revive(value));
  return error;
}

function revive(carried: Carried): unknown {
  if ('error' in carried) return reviveError(carried.error);
  return 'list' in carried ? carried.list.map(revive) : carried.value;
}

/**
 * Defines a property as a class's own field would be. A cause, a name or a stack does not show when the error is
 * listed.
 */
function define(error: Error, name: string, value: unknown): void {
  const enumerable = !['name', 'stack', 'cause', 'errors'].includes(name);
  Object.defineProperty(error, name, { value, enumerable, configurable: true, writable: true });
}
