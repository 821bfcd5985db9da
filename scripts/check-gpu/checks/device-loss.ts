/** A device that goes away while a training is under way: the next call must say so, and not hang or give numbers. */
import * as tf from '@tensorflow/tfjs';
import { GPU_PATHS } from '../paths.ts';
import { SMALL_STEP } from './loads.ts';
import type { CheckContext } from './report.ts';

/** Destroys the device while a training is under way, and reports what the next call does. */
export async function checkDeviceLoss({ path, report }: CheckContext): Promise<void> {
  const check = 'device lost';
  if (path !== 'tfjs webgpu') {
    const detail = 'Node offers no way to lose this device on purpose, and the driver is not to be reset';
    return report({ check, outcome: 'unavailable', detail });
  }
  const engine = await GPU_PATHS[path].start();
  const runner = await engine.prepare(SMALL_STEP, { maxSteps: 2 });
  const batches = { input: new Float32Array(8).fill(1) };
  await runner.run(2, batches);
  (tf.backend() as unknown as { readonly device: GPUDevice }).device.destroy();
  const said = await runner.run(2, batches).catch((error: unknown) => error);
  if (said instanceof Error) report({ check, outcome: 'ran', detail: `${said.name}: ${said.message}` });
  else report({ check, outcome: 'wrong', detail: `a lost device gives the losses ${JSON.stringify(said)}` });
}
