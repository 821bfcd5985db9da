/**
 * The libraries that ONNX Runtime's CUDA provider needs, for onnxruntime-node. The provider does not say where they
 * lie, so the dynamic linker finds them only in its own folders or in LD_LIBRARY_PATH, which it reads when a process
 * starts. But a library that is already in the process is found by its name: so those that `npm run setup:cuda` listed
 * beside the provider are loaded first.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';

/** Files of the CUDA provider and the list of its libraries, all in `cudaProviderFolder()`. */
export const CUDA_PROVIDER = 'libonnxruntime_providers_cuda.so';
/** The name of the list of CUDA's libraries, which `npm run setup:cuda` writes. */
export const CUDA_LIBRARY_LIST = 'cuda-libraries.json';

/** The contents of CUDA_LIBRARY_LIST. */
export interface CudaLibraryList {
  /** Paths (or names that the linker finds), each after those that it needs. */
  readonly libraries: readonly string[];
}

/**
 * A symbol that the provider takes from ONNX Runtime. Loaded by itself it lacks this one: the linker asks for it last,
 * when all libraries are there.
 */
const HOST_SYMBOL = 'Provider_GetHost';

/** glibc's RTLD_NODELETE: a library stays in the process after it was closed. */
const RTLD_NODELETE = 0x1000;

let isPreloaded = false;

/** The folder in which onnxruntime-node looks for its providers, or `undefined` where the package is not installed. */
export function cudaProviderFolder(): string | undefined {
  try {
    const entry = createRequire(import.meta.url).resolve('onnxruntime-node/package.json');
    return join(dirname(entry), 'bin', 'napi-v6', process.platform, process.arch);
  } catch {
    return undefined;
  }
}

/**
 * Loads what CUDA_LIBRARY_LIST names into this process, once; does nothing where there is no list. Problems are left to the provider, which
 * then fails for want of the same library (see `cudaProviderProblem`).
 *
 * Products are computed in float32 unless the environment says otherwise: ONNX Runtime and TensorFlow would allow TensorFloat-32, whose 10
 * bits of mantissa give losses that differ from the third digit on. NVIDIA_TF32_OVERRIDE=1 allows it.
 */
export function preloadCudaLibraries(): void {
  if (isPreloaded) return;
  isPreloaded = true;
  process.env['NVIDIA_TF32_OVERRIDE'] ??= '0';
  for (const library of listedLibraries()) loadingProblem(library);
}

/** Why the CUDA provider cannot be loaded into this process, in the linker's words; `undefined` where nothing is missing. */
export function cudaProviderProblem(): string | undefined {
  preloadCudaLibraries();
  const folder = cudaProviderFolder();
  if (folder === undefined) return 'onnxruntime-node is not installed';
  const problem = loadingProblem(join(folder, CUDA_PROVIDER));
  return problem?.includes(HOST_SYMBOL) ? undefined : problem;
}

/** Loads a library and keeps it; gives the linker's words where it cannot be loaded. */
export function loadingProblem(library: string): string | undefined {
  try {
    process.dlopen({ exports: {} }, library, constants.dlopen.RTLD_LAZY | RTLD_NODELETE);
  } catch (error) {
    const [message = ''] = (error as Error).message.split('\n');
    // Node rejects a library that is no addon after it has loaded it.
    if (!message.includes('did not self-register')) return message;
  }
  return undefined;
}

function listedLibraries(): readonly string[] {
  const folder = cudaProviderFolder();
  if (folder === undefined) return [];
  try {
    return (JSON.parse(readFileSync(join(folder, CUDA_LIBRARY_LIST), 'utf8')) as CudaLibraryList).libraries;
  } catch {
    return [];
  }
}
