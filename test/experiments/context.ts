/** A context for running an experiment inside a test: a fresh folder, the default engine, no words. */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEngine } from '../../src/engines/create-engine.ts';
import type { ExperimentContext } from '../../src/experiments/context.ts';

/** Pass entries to change. */
export async function testContext(changes: Partial<ExperimentContext> = {}): Promise<ExperimentContext> {
  return {
    folder: await temporaryFolder(),
    engine: await createEngine({ engine: 'onnxruntime', provider: 'cpu' }),
    checkpointEvery: 100,
    resume: false,
    log: () => {},
    preparing: () => {},
    progress: () => () => {},
    draw: async () => {},
    ...changes,
  };
}

export function temporaryFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'monosemantic-experiment-'));
}
