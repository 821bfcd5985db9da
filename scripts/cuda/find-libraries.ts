/** Where a machine has CUDA's libraries already: the linker's folders, CUDA's own, and the packages of a Python that has them (PyTorch brings them). */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { globSync } from 'tinyglobby';
import { PYTHON } from '../setup/pip.ts';
import { run } from '../setup/run-command.ts';
import type { LibraryGroup } from './wheels.ts';

/** A group of libraries, and the first folder that holds all of it. */
export interface FoundGroup {
  readonly group: LibraryGroup;
  readonly folder: string;
  /** Paths, in the order in which they must be loaded. */
  readonly libraries: readonly string[];
}

/**
 * The first of `folders` that holds all libraries of `group`.
 *
 * @param list names of the files of a folder; none where it does not exist.
 */
export function findGroup(
  group: LibraryGroup,
  folders: readonly string[],
  list: (folder: string) => readonly string[] = filesOf,
): FoundGroup | undefined {
  for (const folder of folders) {
    const files = list(folder);
    const names = group.libraries.map(pattern => files.find(file => pattern.test(file)));
    if (names.every(name => name !== undefined)) {
      return { group, folder, libraries: names.map(name => join(folder, name)) };
    }
  }
  return undefined;
}

/** Folders to search for CUDA's libraries, in the order of preference; not all of them exist. */
export async function libraryFolders(): Promise<string[]> {
  const { env } = process;
  const cudaHomes = [env['CUDA_HOME'], env['CUDA_PATH'], ...matching('/usr/local/cuda*'), '/opt/cuda'];
  const below = (home: string): string[] => ['lib64', 'lib', 'targets/x86_64-linux/lib'].map(part => join(home, part));
  return unique([
    ...(env['LD_LIBRARY_PATH'] ?? '').split(':'),
    ...(await linkerFolders()),
    ...cudaHomes.filter(home => home !== undefined && home !== '').flatMap(home => below(home!)),
    ...(await pythonFolders()),
  ]).filter(folder => folder !== '');
}

/** Folders that may hold the driver's library without the linker knowing it: containers, WSL, NixOS. */
export const DRIVER_FOLDERS: readonly string[] = [
  '/usr/local/nvidia/lib64',
  '/usr/local/nvidia/lib',
  '/usr/lib/wsl/lib',
  '/run/opengl-driver/lib',
];

/** Folders of the libraries that the dynamic linker knows by name. */
async function linkerFolders(): Promise<string[]> {
  const known = await run('ldconfig', ['-p'], {
    env: { ...process.env, PATH: `${process.env['PATH']}:/sbin:/usr/sbin` },
  }).catch(() => '');
  return foldersOfLinkerCache(known);
}

/** Folders of the 64-bit libraries that `ldconfig -p` prints. */
export function foldersOfLinkerCache(printed: string): string[] {
  const folders = [...printed.matchAll(/x86-64.*=> (\S+)\/[^/\s]+$/gm)].map(([, folder]) => folder!);
  return unique(folders);
}

async function pythonFolders(): Promise<string[]> {
  const program = 'import sysconfig; print(sysconfig.get_path("purelib")); print(sysconfig.get_path("platlib"))';
  const packages = unique((await run(PYTHON, ['-c', program]).catch(() => '')).split('\n'));
  return packages.filter(Boolean).flatMap(folder => matching(join(folder, 'nvidia/*/lib')));
}

function filesOf(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Folders, the newest version first. */
function matching(pattern: string): string[] {
  const found = globSync(pattern, { absolute: true, onlyDirectories: true, expandDirectories: false });
  return found
    .map(folder => folder.replace(/\/$/, ''))
    .sort()
    .reverse();
}

function unique(values: readonly string[]): string[] {
  return [...new Set(values)];
}
