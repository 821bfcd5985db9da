/**
 * `npm run setup:cuda [-- OPTIONS]`: puts ONNX Runtime's CUDA provider under onnxruntime-node, from the Python package index.
 *
 * The wheel onnxruntime-gpu holds the provider of the very version of onnxruntime-node. NVIDIA's libraries are the machine's own where it has
 * them (CUDA 13 and cuDNN 9 on the system, or in a Python that has PyTorch), and come from NVIDIA's wheels otherwise. All that is
 * written lies in onnxruntime-node's folder in node_modules, and `--undo` deletes it.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { cudaProviderFolder, cudaProviderProblem } from '../src/sessions/cuda-libraries.ts';
import { loadNodeRuntime } from '../src/sessions/node.ts';
import { openSession } from '../src/sessions/session.ts';
import { describeDriver, findNvidiaDriver } from './cuda/driver.ts';
import { findCuda, installCuda, listLibraries, undoCuda } from './cuda/provider-folder.ts';
import { smallModel } from './cuda/small-model.ts';
import { cudaWheelSet, LIBRARY_GROUPS, ONNX_RUNTIME_VERSION, PROVIDER_WHEEL } from './cuda/wheels.ts';
import { missingForWheels } from './setup/pip.ts';
import { run, runSetup, SetupError } from './setup/run-command.ts';
import { inWords } from './setup/wheels.ts';

const USAGE = `usage: npm run setup:cuda [-- OPTIONS]
  --dry-run      say what would be downloaded, and stop
  --own          download NVIDIA's libraries even where the machine has them
  --wheels DIR   take the wheels from this folder instead of the Python package index
  --undo         delete what an earlier run made
Environment: MONOSEMANTIC_PYTHON (python3) runs pip, and is searched for NVIDIA's libraries.`;

await runSetup('setup:cuda', main);

async function main(): Promise<void> {
  const { help, undo, check, own, wheels, 'dry-run': dryRun } = readOptions();
  if (help) return console.log(USAGE);
  const folder = providerFolder();
  if (check) return console.log(await tryOut());
  if (undo) {
    const removed = await undoCuda(folder);
    return console.log(removed.length > 0 ? `Removed ${removed.join(', ')} from ${folder}` : 'Nothing to remove');
  }
  const driver = describeDriver(await findNvidiaDriver());
  console.log(`Driver and card: ${driver}`);
  let state = await findCuda(folder, own);
  for (const { group, folder: place } of state.found) console.log(`  ${group.name}: ${place}`);
  const needed = [...(state.hasProvider ? [] : [PROVIDER_WHEEL]), ...state.missing.map(({ wheel }) => wheel)];
  if (needed.length > 0) {
    const total = (part: 'download' | 'unpacked') =>
      inWords(needed.reduce((sum, { size }) => sum + (size?.[part] ?? 0), 0));
    console.log(`To download: ${total('download')}; it takes ${total('unpacked')} on the disk, in ${folder}`);
    for (const { name, version, size } of needed) console.log(`  ${inWords(size!.download)}  ${name} ${version}`);
    if (dryRun) return;
    const lacking = await missingForWheels(folder, cudaWheelSet(needed).diskSpace);
    if (lacking.length > 0) throw new SetupError(`this machine lacks ${lacking.join('; ')}`);
    await installCuda(folder, state, state.missing, wheels === undefined ? undefined : resolve(wheels));
    state = await findCuda(folder, own);
  }
  await listLibraries(folder, state.found);
  console.log(needed.length > 0 ? 'Set up.' : 'All was there.', 'Undo with `npm run setup:cuda -- --undo`.');
  console.log(await inAnotherProcess());
}

function readOptions() {
  try {
    return parseArgs({
      options: {
        'dry-run': { type: 'boolean', default: false },
        own: { type: 'boolean', default: false },
        wheels: { type: 'string' },
        undo: { type: 'boolean', default: false },
        check: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    throw new SetupError(`${(error as Error).message}\n${USAGE}`);
  }
}

function providerFolder(): string {
  const folder = cudaProviderFolder();
  if (folder === undefined || !existsSync(folder)) {
    throw new SetupError('onnxruntime-node is not installed for this platform: run `npm install` first');
  }
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new SetupError(`ONNX Runtime's CUDA provider is for Linux x64, this is ${process.platform} ${process.arch}`);
  }
  const { version } = createRequire(import.meta.url)('onnxruntime-node/package.json') as { version: string };
  if (version !== ONNX_RUNTIME_VERSION) {
    throw new SetupError(`the provider is of version ${ONNX_RUNTIME_VERSION}, onnxruntime-node of ${version}`);
  }
  return folder;
}

/** Loads the provider and computes with it; says how far that came, and what is missing. */
async function tryOut(): Promise<string> {
  const problem = cudaProviderProblem();
  if (problem !== undefined) {
    const [, library = ''] = /^(\S+\.so[.\d]*): cannot open/.exec(problem) ?? [];
    const part = LIBRARY_GROUPS.find(({ libraries }) => libraries.some(pattern => pattern.test(library)));
    if (library === 'libcuda.so.1')
      return 'It loads as far as libcuda.so.1, which belongs to the NVIDIA driver: nothing else is missing.';
    return `It does not load: ${problem}${part ? ` (${part.name}: try \`npm run setup:cuda -- --own\`)` : ''}`;
  }
  const runtime = await loadNodeRuntime();
  try {
    const { session } = await openSession(runtime, smallModel(), { provider: 'cuda' });
    const { sum } = await session.run({ x: new runtime.ort.Tensor('float32', Float32Array.of(1, 2, 3), [3]) });
    await session.dispose();
    const result = Number(sum!.data[0]);
    return result === 6 ? 'It loads, and computes on the GPU.' : `It loads, but 1 + 2 + 3 gives ${result}.`;
  } catch (error) {
    return `All its libraries load, but it does not start: ${(error as Error).message}`;
  }
}

/** In a process of its own, for loaded libraries stay. */
async function inAnotherProcess(): Promise<string> {
  return run(process.execPath, [...process.execArgv, fileURLToPath(import.meta.url), '--check']);
}
