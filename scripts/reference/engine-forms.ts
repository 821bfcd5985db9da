/** Every way in which this machine can run a training step: each engine, provider and form that loads. */
import { createEngine, ENGINE_NAMES } from '../../src/engines/create-engine.ts';
import type { Engine, EngineName } from '../../src/engines/engine.ts';
import { acceptsSparseUpdate } from '../../src/engines/sparse-update/accept.ts';
import { createSparseUpdateRunner } from '../../src/engines/sparse-update/runner.ts';
import { EngineUnavailableError, MissingPackageError } from '../../src/errors.ts';
import { loadNodeRuntime } from '../../src/sessions/node.ts';

/** One way of running a step. */
export interface EngineForm {
  readonly label: string;
  readonly engine: Engine;
  /** Many steps in one call, where the engine tells that apart from one step a call. */
  readonly manySteps: boolean;
  /** False for an accelerator, which knows only some training steps and no other function. */
  readonly runsAnyStep: boolean;
}

/** An engine or provider that this machine does not have. */
export interface AbsentEngine {
  readonly label: string;
  readonly reason: string;
}

/** The ways to run a step that this machine has, and those that it has not. */
export interface EngineForms {
  readonly present: readonly EngineForm[];
  readonly absent: readonly AbsentEngine[];
}

/** Starts each of `names`. Engines that cannot be had here are listed with the reason. */
export async function findEngineForms(names: readonly EngineName[] = ENGINE_NAMES): Promise<EngineForms> {
  const present: EngineForm[] = [];
  const absent: AbsentEngine[] = [];
  for (const name of names) {
    try {
      if (name === 'onnxruntime') {
        present.push(...(await onnxRuntimeForms(absent)));
      } else {
        const engine = await createEngine({ engine: name });
        present.push({ label: name, engine, manySteps: true, runsAnyStep: true });
      }
    } catch (error) {
      if (!(error instanceof EngineUnavailableError || error instanceof MissingPackageError)) throw error;
      absent.push({ label: name, reason: error.message });
    }
  }
  return { present, absent };
}

async function onnxRuntimeForms(absent: AbsentEngine[]): Promise<EngineForm[]> {
  const runtime = await loadNodeRuntime();
  const forms: EngineForm[] = [];
  for (const provider of runtime.candidates) {
    const label = `onnxruntime ${provider}`;
    const reason = runtime.unlikely[provider];
    if (reason !== undefined) {
      absent.push({ label, reason });
      continue;
    }
    const engine = await createEngine({ engine: 'onnxruntime', provider });
    forms.push({ label: `${label}, a step a call`, engine, manySteps: false, runsAnyStep: true });
    forms.push({ label: `${label}, Scan`, engine, manySteps: true, runsAnyStep: true });
  }
  forms.push({ label: 'onnxruntime cpu, sparse update', engine: sparseUpdate, manySteps: true, runsAnyStep: false });
  return forms;
}

/** The accelerator for large autoencoders, here for any size. */
const sparseUpdate: Engine = {
  name: 'onnxruntime',
  async prepare(program) {
    const { accepted, reason } = program.descriptor
      ? acceptsSparseUpdate(program.descriptor, { anySize: true })
      : { accepted: false, reason: 'the step has no descriptor' };
    if (!accepted) throw new EngineUnavailableError(reason);
    return createSparseUpdateRunner(program, { anySize: true, threads: 2 });
  },
};
