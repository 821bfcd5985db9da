/**
 * Vulkan for WebGPU, where a machine does not offer it by itself: containers have NVIDIA's driver without the loader, or without the file
 * that names it; and machines without a GPU have SwiftShader, which the tests' Chromium brings.
 */
import { existsSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadingProblem } from '../../src/sessions/cuda-libraries.ts';
import { unpackChromium } from '../../test/support/bundled-chromium.ts';
import { useSwiftShader } from '../../test/support/swiftshader.ts';
import { DRIVER_FOLDERS } from '../cuda/find-libraries.ts';

const LOADER = 'libvulkan.so.1';

/** Where loaders look for NVIDIA's driver by themselves, and where else it lies. */
const USUAL_MANIFESTS = ['/etc/vulkan/icd.d', '/usr/share/vulkan/icd.d', '/usr/local/share/vulkan/icd.d'];
const OTHER_MANIFESTS = [
  '/usr/local/nvidia/share/vulkan/icd.d',
  '/usr/local/nvidia/vulkan/icd.d',
  '/run/opengl-driver/share/vulkan/icd.d',
];
const MANIFEST = 'nvidia_icd.json';
/** Either is the driver; the first needs X11's libraries. */
const DRIVERS = ['libGLX_nvidia.so.0', 'libEGL_nvidia.so.0'];

/** Makes Vulkan ready for this process, on SwiftShader where `software`; gives what had to be done, in words. */
export async function prepareVulkan(software: boolean): Promise<string> {
  if (software) {
    await useSwiftShader();
    return 'SwiftShader, a software adapter';
  }
  const notes: string[] = [];
  if (loadingProblem(LOADER) !== undefined) {
    const { folder } = await unpackChromium();
    const problem = loadingProblem(join(folder, LOADER));
    notes.push(problem === undefined ? 'the Vulkan loader of the tests’ Chromium' : `no Vulkan loader: ${problem}`);
  }
  const manifest = nvidiaManifest();
  if (manifest !== undefined) {
    // Loaders before 1.3.207 know the first name alone.
    process.env['VK_ICD_FILENAMES'] ??= manifest;
    process.env['VK_DRIVER_FILES'] ??= manifest;
    notes.push(`NVIDIA's Vulkan driver by ${manifest}`);
  }
  process.env['XDG_RUNTIME_DIR'] ??= tmpdir();
  return notes.join('; ');
}

/** A file that names NVIDIA's Vulkan driver, where the loader needs to be told; undefined where it finds one or there is none. */
function nvidiaManifest(): string | undefined {
  if (process.env['VK_ICD_FILENAMES'] || process.env['VK_DRIVER_FILES']) return undefined;
  const inFolders = (folders: readonly string[]) => folders.map(folder => join(folder, MANIFEST)).find(existsSync);
  if (inFolders(USUAL_MANIFESTS) !== undefined) return undefined;
  const known = inFolders(OTHER_MANIFESTS);
  if (known !== undefined) return known;
  const places = DRIVERS.flatMap(name => [name, ...DRIVER_FOLDERS.map(folder => join(folder, name))]);
  const library = places.find(place => loadingProblem(place) === undefined);
  if (library === undefined) return undefined;
  const file = join(mkdtempSync(join(tmpdir(), 'monosemantic-vulkan-')), MANIFEST);
  const icd = { file_format_version: '1.0.0', ICD: { library_path: library, api_version: '1.3.0' } };
  writeFileSync(file, JSON.stringify(icd));
  return file;
}
