/**
 * onnxruntime-node's folder of providers: what `npm run setup:cuda` puts there, and takes away again. Everything that it makes has one of the
 * names below, so undoing it needs no list.
 */
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../../src/files/write-atomic.ts';
import {
  CUDA_LIBRARY_LIST,
  CUDA_PROVIDER,
  type CudaLibraryList,
  loadingProblem,
} from '../../src/sessions/cuda-libraries.ts';
import { unpackWheels } from '../setup/pip.ts';
import { DRIVER_FOLDERS, type FoundGroup, findGroup, libraryFolders } from './find-libraries.ts';
import { cudaWheelSet, DRIVER_LIBRARY, LIBRARY_GROUPS, type LibraryGroup, PROVIDER_WHEEL } from './wheels.ts';

/** The provider talks to ONNX Runtime through a library that stands beside it. */
const PROVIDER_FILES = [CUDA_PROVIDER, 'libonnxruntime_providers_shared.so'];

/** NVIDIA's libraries that came from wheels. */
const LIBRARY_FOLDER = 'cuda';
const UNPACKING = 'cuda.unpacking';

/** Which of the files that CUDA needs are there, and which are missing. */
export interface CudaState {
  readonly hasProvider: boolean;
  readonly found: readonly FoundGroup[];
  readonly missing: readonly LibraryGroup[];
}

/**
 * Looks for the provider and for NVIDIA's libraries: those that an earlier set-up brought, then, unless `ownOnly`, the machine's.
 */
export async function findCuda(folder: string, ownOnly = false): Promise<CudaState> {
  const folders = [join(folder, LIBRARY_FOLDER), ...(ownOnly ? [] : await libraryFolders())];
  const found = LIBRARY_GROUPS.map(group => findGroup(group, folders)).filter(group => group !== undefined);
  return {
    hasProvider: PROVIDER_FILES.every(file => existsSync(join(folder, file))),
    found,
    missing: LIBRARY_GROUPS.filter(group => !found.some(({ group: { name } }) => name === group.name)),
  };
}

/** Brings the provider, unless it is there, and the libraries of `groups`, from the package index or from `wheelFolder`. */
export async function installCuda(
  folder: string,
  { hasProvider }: CudaState,
  groups: readonly LibraryGroup[],
  wheelFolder?: string,
): Promise<void> {
  const unpacking = join(folder, UNPACKING);
  await rm(unpacking, { recursive: true, force: true });
  await mkdir(unpacking);
  try {
    const wheels = [...(hasProvider ? [] : [PROVIDER_WHEEL]), ...groups.map(({ wheel }) => wheel)];
    const site = join(unpacking, 'site');
    await unpackWheels(cudaWheelSet(wheels), site, unpacking, wheelFolder);
    await mkdir(join(folder, LIBRARY_FOLDER), { recursive: true });
    for (const { wheelFolder: part, libraries } of groups) {
      // cuDNN's parts, and NVRTC's second copy, are found by the library beside them.
      const stems = libraries.map(pattern => /lib[a-z]+/i.exec(pattern.source)![0]);
      for (const file of await readdir(join(site, part))) {
        if (!stems.some(stem => file.startsWith(stem)) || file.includes('.alt.')) continue;
        await rename(join(site, part, file), join(folder, LIBRARY_FOLDER, file));
      }
    }
    if (!hasProvider) {
      for (const file of PROVIDER_FILES) await rename(join(site, 'onnxruntime', 'capi', file), join(folder, file));
    }
  } finally {
    await rm(unpacking, { recursive: true, force: true });
  }
}

/** Writes the list from which onnxruntime-node's process loads the libraries before the provider. */
export async function listLibraries(folder: string, found: readonly FoundGroup[]): Promise<void> {
  const driver = DRIVER_FOLDERS.map(place => join(place, DRIVER_LIBRARY)).find(existsSync);
  const isKnown = driver === undefined || loadingProblem(DRIVER_LIBRARY) === undefined;
  const list: CudaLibraryList = {
    libraries: [...(isKnown ? [] : [driver]), ...found.flatMap(({ libraries }) => libraries)],
  };
  await writeFileAtomic(join(folder, CUDA_LIBRARY_LIST), `${JSON.stringify(list, null, 2)}\n`);
}

/** Removes all that a set-up made; gives the names of what was there. */
export async function undoCuda(folder: string): Promise<string[]> {
  const names = [CUDA_LIBRARY_LIST, ...PROVIDER_FILES, LIBRARY_FOLDER, UNPACKING];
  const there = names.filter(name => existsSync(join(folder, name)));
  for (const name of there) await rm(join(folder, name), { recursive: true });
  return there;
}
