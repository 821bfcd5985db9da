/**
 * Claims the folder of a run: one run at a time writes there, and an earlier run is resumed or replaced only on
 * request.
 */
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { FileFormatError, FileWriteError, FolderInUseError } from '../errors.ts';
import { type FolderLock, lockFolder } from '../files/folder-lock.ts';
import { CHECKPOINT } from '../training/node.ts';

/** What happens to an earlier run in the folder. */
export interface EarlierRun {
  /** Whether it goes on from its checkpoints. */
  readonly resume: boolean;
  /** Whether it is replaced. */
  readonly overwrite: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** The file that a run writes last. */
export const RUN_RECORD = 'run.json';

/**
 * Makes `folder` where it is missing and takes it for one run, until the lock that it gives is released.
 * @throws FolderInUseError where another run is writing there, or an earlier one has and it is neither to be resumed
 *   nor replaced
 * @throws FileFormatError where there is no checkpoint to resume from
 * @throws FileWriteError where the folder cannot be made or written
 */
export async function claimRunFolder(folder: string, { resume, overwrite, signal }: EarlierRun): Promise<FolderLock> {
  await mkdir(folder, { recursive: true }).catch((cause: unknown) => {
    throw new FileWriteError(folder, cause);
  });
  const lock = await lockFolder(folder, 'run', { signal });
  try {
    const names = await readdir(folder);
    const checkpoints = names.filter(name => name.endsWith(CHECKPOINT));
    if (resume && checkpoints.length === 0) {
      throw new FileFormatError('there is no checkpoint to resume from', { file: folder });
    }
    const left = names.includes(RUN_RECORD) ? RUN_RECORD : checkpoints[0];
    if (left !== undefined && !resume && !overwrite) {
      throw new FolderInUseError(
        folder,
        `holds an earlier run (${left}): --resume goes on with it, --overwrite replaces it, --out takes another folder`,
      );
    }
    // An older run's checkpoint must not be taken for one of this run.
    if (overwrite) {
      for (const name of [...checkpoints, RUN_RECORD]) await rm(join(folder, name), { force: true });
    }
    return lock;
  } catch (error) {
    await lock.release();
    throw error;
  }
}
