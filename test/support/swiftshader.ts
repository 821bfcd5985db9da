/**
 * WebGPU without a GPU: SwiftShader, a Vulkan driver that computes on the CPU, for whatever looks for Vulkan in this
 * process (ONNX Runtime's webgpu provider, and Dawn in the npm package `webgpu`).
 */
import { constants } from 'node:os';
import { join } from 'node:path';
import { unpackChromium } from './bundled-chromium.ts';

/** glibc's and musl's RTLD_NODELETE: a library stays in the process after it was closed. */
const RTLD_NODELETE = 0x1000;

let ready: Promise<void> | undefined;

/** Makes SwiftShader this process's Vulkan driver; call it before anything looks for a GPU. Linux on x64 only. */
export function useSwiftShader(): Promise<void> {
  ready ??= prepare();
  return ready;
}

async function prepare(): Promise<void> {
  const { folder } = await unpackChromium();
  process.env['VK_ICD_FILENAMES'] = join(folder, 'vk_swiftshader_icd.json');
  process.env['XDG_RUNTIME_DIR'] ??= folder;
  try {
    // The dynamic linker reads LD_LIBRARY_PATH only when a process starts, but finds a library that is already loaded
    // by its name. Node rejects this one, which is no addon, after it has loaded it.
    process.dlopen({ exports: {} }, join(folder, 'libvulkan.so.1'), constants.dlopen.RTLD_NOW | RTLD_NODELETE);
  } catch (error) {
    if (!(error instanceof Error && error.message.includes('did not self-register'))) throw error;
  }
}
