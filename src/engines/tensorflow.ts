/**
 * TensorFlow under TensorFlow.js: the native library (CPU or CUDA) through tfjs-node or tfjs-node-gpu, which `npm run
 * setup:tensorflow` makes ready. Node only. Both packages register a TensorFlow.js backend called `tensorflow`, and one
 * process can load only one of them, so the choice is made before either is imported.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import nodeUtil from 'node:util';
import * as tf from '@tensorflow/tfjs';
import { EngineUnavailableError, invariant } from '../errors.ts';
import type { PreparedBackend } from './prepared-backend.ts';

/** The npm packages of native TensorFlow. */
export type TensorFlowPackage = '@tensorflow/tfjs-node' | '@tensorflow/tfjs-node-gpu';

/**
 * Options of TensorFlow, which it reads when it is loaded: a later call in the same process gets what the first one
 * loaded.
 */
export interface TensorFlowOptions {
  /** The device; `gpu` fails where none can be used. Default: a GPU where there is one. */
  readonly device?: 'cpu' | 'gpu' | undefined;
  /** The package to load, instead of the one that the device asks for. */
  readonly package?: TensorFlowPackage | undefined;
  /** Threads within one operation. Default: TensorFlow's own choice. */
  readonly threads?: number | undefined;
}

/** The one command that mends whatever keeps TensorFlow from loading. */
export const SETUP_COMMAND = 'npm run setup:tensorflow';

const require = createRequire(import.meta.url);

/** Where `name` is installed, or `undefined`. */
export function tensorFlowPackageFolder(name: TensorFlowPackage): string | undefined {
  try {
    return dirname(require.resolve(`${name}/package.json`));
  } catch {
    return undefined;
  }
}

/** The native binding of `name`, or `undefined` where the package is not installed or not set up. */
export function tensorFlowBinding(name: TensorFlowPackage): string | undefined {
  const folder = tensorFlowPackageFolder(name);
  if (folder === undefined) return undefined;
  const { binary } = require(`${name}/package.json`) as { binary: { napi_versions: number[] } };
  return binary.napi_versions
    .filter(version => version <= Number(process.versions.napi))
    .map(version => join(folder, 'lib', `napi-v${version}`, 'tfjs_binding.node'))
    .findLast(existsSync);
}

/**
 * Whether the system offers an NVIDIA GPU: a driver's device node on Linux or in WSL, the driver's library on Windows.
 */
export function hasNvidiaGpu(): boolean {
  const systemRoot = process.env['SystemRoot'] ?? 'C:\\Windows';
  const traces = ['/dev/nvidiactl', '/dev/dxg', join(systemRoot, 'System32', 'nvcuda.dll')];
  return traces.some(existsSync);
}

let loaded: { readonly name: TensorFlowPackage; readonly backend: NodeBackend } | undefined;

/**
 * Loads TensorFlow and registers it as TensorFlow.js's backend `tensorflow`; the caller selects it. tfjs-node-gpu is
 * taken where it is set up and a GPU is there (or nothing else is set up), tfjs-node otherwise.
 * @throws EngineUnavailableError where neither can be loaded or `device` cannot be had; the message names the command
 *   that sets it up
 */
export async function prepareBackend({
  device,
  package: asked,
  threads,
}: TensorFlowOptions = {}): Promise<PreparedBackend> {
  if (loaded === undefined) {
    const name = asked ?? choosePackage(device);
    if (device === 'cpu') process.env['CUDA_VISIBLE_DEVICES'] = '-1';
    if (threads !== undefined) process.env['TF_NUM_INTRAOP_THREADS'] = String(threads);
    loaded = { name, backend: load(name) };
  }
  const { name, backend } = loaded;
  const provider = name.slice('@tensorflow/'.length);
  const found = `TensorFlow ${backend.binding.TF_Version} on ${backend.isUsingGpuDevice ? 'a GPU (CUDA)' : 'the CPU'}`;
  if (asked !== undefined && asked !== name) {
    throw new EngineUnavailableError(`${asked} cannot be loaded beside ${name} in one process`);
  }
  if (device !== undefined && (device === 'gpu') !== backend.isUsingGpuDevice) {
    throw new EngineUnavailableError(`${provider} was loaded as ${found}, not on the ${device} that was asked for`);
  }
  return { backendName: 'tensorflow', provider, detail: found };
}

/** The part of tfjs-node's backend that its types leave out. */
interface NodeBackend {
  readonly isUsingGpuDevice: boolean;
  readonly binding: { readonly TF_Version: string };
}

function choosePackage(device: TensorFlowOptions['device']): TensorFlowPackage {
  const forCpu = tensorFlowBinding('@tensorflow/tfjs-node') !== undefined;
  const forGpu = tensorFlowBinding('@tensorflow/tfjs-node-gpu') !== undefined;
  if (device === 'gpu') {
    if (forGpu && hasNvidiaGpu()) return '@tensorflow/tfjs-node-gpu';
    throw new EngineUnavailableError(
      hasNvidiaGpu()
        ? `TensorFlow for the GPU is not set up: run \`${SETUP_COMMAND} -- --gpu\``
        : 'TensorFlow cannot use a GPU here: no NVIDIA driver was found',
    );
  }
  if (forGpu && ((device !== 'cpu' && hasNvidiaGpu()) || !forCpu)) return '@tensorflow/tfjs-node-gpu';
  if (forCpu) return '@tensorflow/tfjs-node';
  throw new EngineUnavailableError(`TensorFlow is not set up: run \`${SETUP_COMMAND}\``);
}

/** Loads the package and puts the caller's choice of backend back, which loading changes. */
function load(name: TensorFlowPackage): NodeBackend {
  process.env['TF_CPP_MIN_LOG_LEVEL'] ??= '2';
  // Without this, TensorFlow takes all memory of the GPU at once, also from other programs.
  process.env['TF_FORCE_GPU_ALLOW_GROWTH'] ??= 'true';
  // Products in float32, not in TensorFloat-32, whose losses differ from the third digit on.
  process.env['NVIDIA_TF32_OVERRIDE'] ??= '0';
  restoreRemovedNodeFunction();
  const { backendName } = tf.engine();
  try {
    const loadedPackage = require(name) as typeof tf;
    invariant(loadedPackage.Tensor === tf.Tensor, `${name} brought a second copy of @tensorflow/tfjs-core`);
    return loadedPackage.findBackend('tensorflow') as unknown as NodeBackend;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.trim().split('\n')[0]! : String(cause);
    const command = name.endsWith('-gpu') ? `${SETUP_COMMAND} -- --gpu` : SETUP_COMMAND;
    throw new EngineUnavailableError(`${name} does not load (${reason}): run \`${command}\``, [reason], cause);
  } finally {
    if (backendName) tf.setBackend(backendName);
  }
}

/** tfjs-node calls `util.isNullOrUndefined`, which warns from Node 22 on and is gone from Node 23 on. */
function restoreRemovedNodeFunction(): void {
  Object.assign(nodeUtil, { isNullOrUndefined: (value: unknown) => value === null || value === undefined });
}
