/** ONNX Runtime in Node: onnxruntime-node, loaded when it is first asked for. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { EngineUnavailableError, MissingPackageError } from '../errors.ts';
import { CUDA_PROVIDER, cudaProviderFolder, cudaProviderProblem, preloadCudaLibraries } from './cuda-libraries.ts';
import type { OnnxRuntimeApi, Runtime } from './runtime.ts';

/** Device files of GPUs on Linux: any, NVIDIA's (a container may have its third card alone), and Windows's seen from its Linux subsystem. */
const NVIDIA_DEVICES = ['/dev/nvidiactl', '/dev/dxg'];
const GPU_DEVICES = ['/dev/dri', ...NVIDIA_DEVICES];

function unlikelyProviders(): Runtime['unlikely'] {
  const { platform, arch, env } = process;
  const isVulkanNamed = Boolean(env['VK_ICD_FILENAMES'] || env['VK_DRIVER_FILES']);
  const none = (devices: readonly string[]) => !devices.some(device => existsSync(device));
  return {
    ...(platform !== 'linux' || arch !== 'x64'
      ? { cuda: `onnxruntime-node has CUDA on Linux x64 only, this is ${platform} ${arch}` }
      : none(NVIDIA_DEVICES) && { cuda: `no NVIDIA GPU: none of ${NVIDIA_DEVICES.join(', ')} exists` }),
    ...(platform === 'linux' &&
      none(GPU_DEVICES) &&
      !isVulkanNamed && {
        webgpu: `no GPU: none of ${GPU_DEVICES.join(', ')} exists, and VK_ICD_FILENAMES is not set`,
      }),
  };
}

/** How to get the CUDA provider, or what it lacks. */
function cudaHint(): string {
  const folder = cudaProviderFolder();
  if (folder === undefined || !existsSync(join(folder, CUDA_PROVIDER))) {
    return (
      'on Linux x64 with an NVIDIA GPU: in a clone npm run setup:cuda, elsewhere npm install onnxruntime-node ' +
      '--ignore-scripts=false --onnxruntime-node-install=cuda12'
    );
  }
  return cudaProviderProblem() ?? 'its libraries load; npm run setup:cuda says what driver and card are there';
}

/**
 * Loads onnxruntime-node.
 * @throws MissingPackageError where it is not installed, with the command that installs it
 * @throws EngineUnavailableError where this machine cannot load it
 */
export async function loadNodeRuntime(): Promise<Runtime> {
  let ort: OnnxRuntimeApi & Pick<typeof import('onnxruntime-node'), 'env'>;
  try {
    ort = await import('onnxruntime-node');
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ERR_MODULE_NOT_FOUND') {
      throw new MissingPackageError('onnxruntime-node is not installed: npm install onnxruntime-node', { cause });
    }
    throw new EngineUnavailableError(`onnxruntime-node cannot be loaded: ${message}`, [message], cause);
  }
  // Problems are thrown as errors. ONNX Runtime would print them as well, and warnings about the machine.
  if (ort.env.logLevel === undefined || ort.env.logLevel === 'warning') ort.env.logLevel = 'fatal';
  return {
    name: 'onnxruntime-node',
    ort,
    candidates: ['cuda', 'webgpu', 'cpu'],
    providerOptions: { cuda: 'cuda', webgpu: 'webgpu', cpu: 'cpu' },
    unlikely: unlikelyProviders(),
    beforeOpening: provider => {
      if (provider === 'cuda') preloadCudaLibraries();
    },
    hints: {
      get cuda() {
        return cudaHint();
      },
      webgpu: 'it needs a GPU with a Vulkan, Metal or Direct3D 12 driver',
    },
    runsOneAtATime: false,
  };
}
