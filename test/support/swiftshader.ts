/**
 * WebGPU without a GPU: SwiftShader, a Vulkan driver that computes on the CPU, for whatever looks for Vulkan in this
 * process (ONNX Runtime's webgpu provider, and Dawn in the npm package `webgpu`).
 */
import { constants } from 'node:os';
import { join } from 'node:path';
import { unpackChromium } from './bundled-chromium.ts';

/** glibc's and musl's RTLD_NODELETE: a library stays in the process after it was closed. */
const RTLD_NODELETE = 0x1000;

let loaded: Promise<string> | undefined;
/** The environment's entries as they were before SwiftShader was named in them. */
let before: Readonly<Record<string, string | undefined>> | undefined;

/**
 * Makes SwiftShader this process's Vulkan driver; call it before anything looks for a GPU. Linux on x64 only. `leaveSwiftShader` ends it: whatever takes the
 * best provider that there is would otherwise compute on it from then on, some thirty times as slowly.
 */
export async function useSwiftShader(): Promise<void> {
  loaded ??= load();
  const folder = await loaded;
  const { VK_ICD_FILENAMES, XDG_RUNTIME_DIR } = process.env;
  before ??= { VK_ICD_FILENAMES, XDG_RUNTIME_DIR };
  process.env['VK_ICD_FILENAMES'] = join(folder, 'vk_swiftshader_icd.json');
  process.env['XDG_RUNTIME_DIR'] ??= folder;
}

/** Lets nothing find SwiftShader any more; for an `after` beside the `before` that uses it. */
export function leaveSwiftShader(): void {
  for (const [name, value] of Object.entries(before ?? {})) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
  before = undefined;
}

/** Loads the driver's loader; gives the folder of the driver. */
async function load(): Promise<string> {
  const { folder } = await unpackChromium();
  try {
    // The dynamic linker reads LD_LIBRARY_PATH only when a process starts, but finds a library that is already loaded
    // by its name. Node rejects this one, which is no addon, after it has loaded it.
    process.dlopen({ exports: {} }, join(folder, 'libvulkan.so.1'), constants.dlopen.RTLD_NOW | RTLD_NODELETE);
  } catch (error) {
    if (!(error instanceof Error && error.message.includes('did not self-register'))) throw error;
  }
  return folder;
}
