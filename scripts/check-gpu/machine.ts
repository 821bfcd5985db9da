/** The machine that is checked: its card, and what the paths need. */
import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { tensorFlowBinding } from '../../src/engines/tensorflow.ts';
import { CUDA_LIBRARY_LIST, CUDA_PROVIDER, cudaProviderFolder } from '../../src/sessions/cuda-libraries.ts';
import { describeDriver, findNvidiaDriver, type NvidiaDriver } from '../cuda/driver.ts';
import { DRIVER_FOLDERS } from '../cuda/find-libraries.ts';
import { findCuda, listLibraries } from '../cuda/provider-folder.ts';

/** The machine whose GPU is checked. */
export interface CheckedMachine {
  readonly driver: NvidiaDriver | undefined;
  /** Whether WebGPU must make do with SwiftShader: no card of any maker has a device file. */
  readonly software: boolean;
  /** The name of the card, or what the table says in its place. */
  readonly card: string;
  readonly facts: Readonly<Record<string, string>>;
  /** The environment of the processes that run checks. */
  readonly env: NodeJS.ProcessEnv;
}

/** Finds out which card this machine has, and which versions of drivers and packages. */
export async function describeMachine(forceSoftware: boolean): Promise<CheckedMachine> {
  const driver = await findNvidiaDriver();
  const software = forceSoftware || (driver === undefined && !existsSync('/dev/dri'));
  const version = (name: string): string => {
    try {
      return (createRequire(import.meta.url)(`${name}/package.json`) as { version: string }).version;
    } catch {
      return 'not installed';
    }
  };
  return {
    driver,
    software,
    card: driver?.cards[0]?.name ?? (software ? 'no card (SwiftShader, a software adapter)' : 'an unnamed card'),
    facts: {
      driver: describeDriver(driver),
      processor: `${cpus()[0]?.model ?? 'unknown'}, ${cpus().length} threads, ${Math.round(totalmem() / 2 ** 30)} GiB`,
      node: process.version,
      'onnxruntime-node': version('onnxruntime-node'),
      'onnxruntime cuda': await describeCuda(),
      'tfjs-node-gpu': describeTensorFlow(),
    },
    // With this level TensorFlow prints why it does not use a GPU.
    env: { TF_CPP_MIN_LOG_LEVEL: '1', ...childEnvironment(process.env, DRIVER_FOLDERS.filter(existsSync)) },
  };
}

/** The environment in which the linker also finds the driver's libraries, wherever a container has put them. */
export function childEnvironment(env: NodeJS.ProcessEnv, folders: readonly string[]): NodeJS.ProcessEnv {
  const before = (env['LD_LIBRARY_PATH'] ?? '').split(':').filter(folder => folder !== '');
  const all = [...new Set([...before, ...folders])];
  return all.length > 0 ? { ...env, LD_LIBRARY_PATH: all.join(':') } : env;
}

/** Also lists the libraries anew: a copied folder's list names places of another machine. */
async function describeCuda(): Promise<string> {
  const folder = cudaProviderFolder();
  if (folder === undefined || !existsSync(join(folder, CUDA_PROVIDER))) return 'not set up: npm run setup:cuda';
  const { found, missing } = await findCuda(folder);
  await listLibraries(folder, found);
  const places = found.map(
    ({ group, folder: place }) => `${group.name} in ${place === join(folder, 'cuda') ? 'node_modules' : place}`,
  );
  const absent = missing.map(({ name, optional }) => `${name} missing${optional ? ' (optional)' : ''}`);
  return `set up (${CUDA_LIBRARY_LIST}): ${[...places, ...absent].join(', ')}`;
}

function describeTensorFlow(): string {
  const binding = tensorFlowBinding('@tensorflow/tfjs-node-gpu');
  if (binding === undefined) return 'not set up: npm run setup:tensorflow -- --gpu';
  const libraries = join(binding, '..', '..', '..', 'deps', 'site-packages', 'nvidia');
  const parts = existsSync(libraries) ? readdirSync(libraries).length : 0;
  return `set up${parts > 0 ? `, with ${parts} packages of NVIDIA's libraries` : ''}`;
}
