/**
 * Run as a child process by bad-files.test.ts, so that a variant that brings native code down is seen as such: loads and runs damaged
 * files one after another and prints a line for each, `seed outcome milliseconds`.
 */
import { loadSae, loadToyModel } from '../../src/inference/node.ts';
import { variant } from './variants.ts';

const [first = 0, count = 1] = process.argv.slice(2).map(Number);

async function outcome(seed: number): Promise<string> {
  const { bytes, isToyModel } = variant(seed);
  try {
    await using model = await (isToyModel
      ? loadToyModel(bytes, { provider: 'cpu' })
      : loadSae(bytes, { provider: 'cpu' }));
    const width = 'dIn' in model ? [model.dIn] : [...(model.nInstances ? [model.nInstances] : []), model.nFeatures];
    const size = width.reduce((product, dimension) => product * dimension, 3);
    // A dimension that was changed can be large, and still what the file consistently says.
    if (size > 1e7) return 'loaded';
    await model.forward(
      Float32Array.from({ length: size }, (_, i) => Math.sin(i)),
      { shape: [3, ...width] },
    );
    await model.featureDirections();
    return 'loaded';
  } catch (error) {
    if (process.env['VERBOSE']) console.log(seed, (error as Error).message.slice(0, 300));
    return (error as Error).name;
  }
}

for (let seed = first; seed < first + count; seed++) {
  // Of the processor, not of the clock: other programs may run.
  const start = process.cpuUsage();
  const result = await outcome(seed);
  const { user, system } = process.cpuUsage(start);
  console.log(`${seed} ${result} ${Math.round((user + system) / 1000)}`);
}
