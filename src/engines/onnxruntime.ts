/**
 * The engine that needs no GPU and no TensorFlow: the whole training step, gradients and optimizer included, recorded as one ONNX graph
 * (compiled-step.ts) and run by ONNX Runtime, in this thread or another.
 */
import type { Provider, Runtime } from '../sessions/runtime.ts';
import { openSession } from '../sessions/session.ts';
import { compileStep } from './compiled-step.ts';
import { CompiledStepRunner } from './compiled-step-runner.ts';
import type { Accelerator, Engine, EngineDescription, StepProgram, StepRunner } from './engine.ts';
import { isSmall, multiplications } from './step-size.ts';
import { DeviceState, deviceOutputs, HostState } from './step-state.ts';
import type { ThreadedOptions } from './threads/run-in-threads.ts';

/** Options of the engine onnxruntime. */
export interface OnnxRuntimeEngineOptions {
  /** The provider that runs the steps. Default: `cpu` in Node, `wasm` in a browser. */
  readonly provider?: Provider | 'auto' | undefined;
  /**
   * Threads within an operator, at least 1. Default: one for a small step, where a second costs more than it brings;
   * otherwise ONNX Runtime's own choice.
   */
  readonly threads?: number | undefined;
  /** Why this engine was chosen, for its description. */
  readonly reason?: string | undefined;
  /** Accelerators, each asked in turn; for the provider cpu. Default: none. */
  readonly accelerators?: readonly Accelerator[];
  /**
   * Runs steps on the provider cpu in other threads (see threads/run-in-threads.ts). Default: they run in the calling
   * thread.
   */
  readonly runElsewhere?: (program: StepProgram, options: ThreadedOptions) => Promise<StepRunner>;
}

/** Makes the engine on a loaded runtime (see src/sessions). */
export function createOnnxRuntimeEngine(runtime: Runtime, options: OnnxRuntimeEngineOptions = {}): Engine {
  const { provider = runtime.name === 'onnxruntime-web' ? 'wasm' : 'cpu', reason = 'asked for' } = options;
  return {
    name: 'onnxruntime',
    async prepare(program, { maxSteps = 1, batches } = {}) {
      const { runner, declined } = provider === 'cpu' ? await accelerate(program, options) : { declined: [] };
      if (runner) return runner;
      const why = [reason, ...declined].join('; ');
      const describe = (used: Provider): EngineDescription => ({ engine: 'onnxruntime', provider: used, reason: why });
      if (provider === 'cpu' && options.runElsewhere) {
        const { threads: asked, runElsewhere } = options;
        const description = describe('cpu');
        return runElsewhere(program, { maxSteps, threads: asked, batches, description });
      }
      const threads = options.threads ?? (isSmall(multiplications(program)) ? 1 : undefined);
      const open = async (wanted: Provider | 'auto') => {
        // Scan runs on the host, so on WebGPU it would fetch the state after each step. There the state stays on the
        // GPU between calls of single steps.
        const step = compileStep(program, maxSteps > 1 && wanted !== 'webgpu');
        const opened = await openSession(runtime, step.model, {
          provider: wanted,
          ...(threads !== undefined && { threads }),
          ...(wanted === 'webgpu' && { sessionOptions: { preferredOutputLocation: deviceOutputs(step) } }),
        });
        return { step, ...opened };
      };
      let opened = await open(provider);
      if (provider === 'auto' && opened.provider === 'webgpu') {
        await opened.session.dispose();
        opened = await open('webgpu');
      }
      const { step, session } = opened;
      const State = opened.provider === 'webgpu' ? DeviceState : HostState;
      return new CompiledStepRunner(runtime, session, step, new State(runtime, step.state), describe(opened.provider));
    },
  };
}

/** The runner of the first accelerator that takes the step, or the reasons why none does. */
async function accelerate(
  program: StepProgram,
  { accelerators = [], threads }: OnnxRuntimeEngineOptions,
): Promise<{ readonly runner?: StepRunner; readonly declined: readonly string[] }> {
  const { descriptor } = program;
  const declined: string[] = [];
  for (const accelerator of descriptor ? accelerators : []) {
    const { accepted, reason } = accelerator.accepts(descriptor!);
    if (accepted) return { runner: await accelerator.start(program, { threads }), declined };
    declined.push(reason);
  }
  return { declined };
}
