/** A worker for tests: answers, calls back, fails in every way that a thread can. */
import {
  DivergenceError,
  EngineUnavailableError,
  FileFormatError,
  FileWriteError,
  InvalidShapeError,
} from '../../src/errors.ts';
import { ownNodePort } from '../../src/workers/node.ts';
import { transfer } from '../../src/workers/protocol.ts';
import { serve } from '../../src/workers/serve.ts';

const api = {
  add: (a: number, b: number): number => a + b,
  lengthOf: (array: Float32Array): number => array.length,
  async fill(length: number, value: number): Promise<{ first: Float32Array; second: Float32Array }> {
    const both = new Float32Array(2 * length).fill(value);
    return transfer({ first: both.slice(0, length), second: both.slice(length) });
  },
  async count(to: number, tell: (at: number) => void): Promise<string> {
    for (let at = 1; at <= to; at++) tell(at);
    return 'done';
  },
  /** An answer that cannot be sent. */
  unsendable: (): unknown => ({ method: () => 1 }),
  fail(how: string): void {
    switch (how) {
      case 'shape':
        throw new InvalidShapeError('[2, 3] is no [3, 2]');
      case 'format':
        throw new FileFormatError('it is cut short', {
          file: 'a.onnx',
          cause: new RangeError('offset 9 is beyond 8', { cause: new InvalidShapeError('deepest') }),
        });
      case 'write':
        throw new FileWriteError('b.npy', Object.assign(new Error('EROFS'), { code: 'EROFS', errno: -30 }));
      case 'diverged':
        throw new DivergenceError('the loss is NaN', 7, 9);
      case 'engine':
        throw new EngineUnavailableError('no provider loads', ['cuda: no card', 'webgpu: no adapter']);
      case 'several':
        throw new AggregateError([new TypeError('first'), new InvalidShapeError('second')], 'two failed');
      case 'circle': {
        const error = new Error('round');
        error.cause = error;
        throw error;
      }
      case 'text':
        throw 'no error at all';
    }
  },
  exit: (code: number): void => process.exit(code),
  /** Breaks outside any call. */
  break(): Promise<never> {
    setImmediate(() => {
      throw new InvalidShapeError('nobody caught this');
    });
    return new Promise(() => {});
  },
  exhaust(): number {
    const kept: number[][] = [];
    for (;;) kept.push(new Array<number>(100_000).fill(kept.length));
  },
  spin(): void {
    for (;;);
  },
  never: (): Promise<void> => new Promise(() => {}),
  afterwards: (milliseconds: number): Promise<string> =>
    new Promise(resolve => setTimeout(() => resolve('late'), milliseconds)),
};

export type TrialApi = typeof api;

serve(ownNodePort(), api);
