/** Training batches from any iterator of activations: a model that runs meanwhile, a database, a socket. */
import { FileFormatError, InvalidShapeError, InvalidValueError } from '../errors.ts';
import type { HostTensor } from '../tensor.ts';

type Activations = AsyncIterable<HostTensor> | Iterable<HostTensor>;

/**
 * A training BatchSource of the rows [n, d_in] that `activations` gives, in its order. A function is called again when the rows end, and
 * to resume, which skips the rows given before; an iterable that is not made by a function can do neither.
 * InvalidValueError where the rows end too soon, InvalidShapeError where they do not fit the input.
 */
export function fromAsyncIterable(activations: Activations | (() => Activations), inputName = 'activations') {
  const begin = (): AsyncIterator<HostTensor> | Iterator<HostTensor> => {
    const iterable = typeof activations === 'function' ? activations() : activations;
    return Symbol.asyncIterator in iterable ? iterable[Symbol.asyncIterator]() : iterable[Symbol.iterator]();
  };
  let iterator: ReturnType<typeof begin> | undefined;
  let rest: Float32Array = new Float32Array(0);
  /** Numbers given since the iterator began. */
  let given = 0;

  const next = async (): Promise<void> => {
    iterator ??= begin();
    let result = await iterator.next();
    if (result.done && given > 0 && typeof activations === 'function') {
      iterator = begin();
      given = 0;
      result = await iterator.next();
    }
    if (result.done) throw new InvalidValueError(`the activations ended after ${given} numbers; training needs more`);
    rest = result.value.data;
  };

  return {
    async fill(inputs: Readonly<Record<string, Float32Array>>): Promise<void> {
      const into = inputs[inputName];
      if (!into) throw new InvalidShapeError(`there is no input "${inputName}" to fill`);
      for (let at = 0; at < into.length; ) {
        while (rest.length === 0) await next();
        const part = rest.subarray(0, into.length - at);
        into.set(part, at);
        at += part.length;
        given += part.length;
        rest = rest.subarray(part.length);
      }
    },
    state: (): { readonly given: number } => ({ given }),
    async restore(state: unknown): Promise<void> {
      const wanted = (state as { given?: unknown } | null)?.given;
      if (!Number.isSafeInteger(wanted)) throw new FileFormatError('the checkpoint holds no place in an iterator');
      if (wanted === given) return;
      if (typeof activations !== 'function') {
        throw new InvalidValueError('an iterable cannot begin again: pass a function that makes it to resume a run');
      }
      iterator = begin();
      rest = new Float32Array(0);
      given = 0;
      while (given < (wanted as number)) {
        await next();
        const skipped = Math.min(rest.length, (wanted as number) - given);
        rest = rest.subarray(skipped);
        given += skipped;
      }
    },
  };
}
