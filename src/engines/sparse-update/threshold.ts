/**
 * BatchTopK's inference threshold, kept as the model keeps it (src/models/activations/batch-topk.ts): a running mean of
 * the smallest selected activation, buffers `threshold` and `steps`. No gradient depends on it, so it is updated after
 * the steps.
 */
import type { HostTensor, HostTensors } from '../../tensor.ts';
import { hostTensor } from '../../tensor.ts';

const MOMENTUM = 0.99;

/** BatchTopK's running threshold. */
export class RunningThreshold {
  readonly #restartAt: number;
  #threshold: number;
  #steps: number;

  /**
   * Starts from both buffers of `state`; θ = 0 says that nothing has been selected yet.
   * @param restartAt the number of completed steps at which θ starts again; −1 for never
   */
  constructor(state: HostTensors, restartAt = -1) {
    this.#restartAt = restartAt;
    this.#threshold = state['buffers.threshold']?.data[0] ?? 0;
    this.#steps = state['buffers.steps']?.data[0] ?? 0;
  }

  /** One step's smallest selected activation; 0 where none was positive. */
  add(smallest: number): void {
    if (smallest > 0) {
      const starts = this.#threshold === 0 || this.#steps === this.#restartAt;
      this.#threshold = Math.fround(starts ? smallest : MOMENTUM * this.#threshold + (1 - MOMENTUM) * smallest);
    }
    this.#steps++;
  }

  read(): Record<string, HostTensor> {
    return { 'buffers.threshold': hostTensor([this.#threshold], []), 'buffers.steps': hostTensor([this.#steps], []) };
  }
}
