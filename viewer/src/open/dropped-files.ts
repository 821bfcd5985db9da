/**
 * Lists files that were dropped, or chosen with an input, each with its folder. Files inside dropped folders are
 * included.
 */
import type { PlacedFile } from './file-groups.ts';

async function filesOf(entry: FileSystemEntry): Promise<PlacedFile[]> {
  if (entry.isFile) {
    const file = await new Promise<File>((done, failed) => (entry as FileSystemFileEntry).file(done, failed));
    return [{ file, folder: entry.fullPath.split('/').slice(1, -1).join('/') }];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const files: PlacedFile[] = [];
  // A reader gives the entries of a folder in several parts, the last of which is empty.
  for (;;) {
    const entries = await new Promise<FileSystemEntry[]>((done, failed) => reader.readEntries(done, failed));
    if (entries.length === 0) return files;
    for (const inner of entries) files.push(...(await filesOf(inner)));
  }
}

/** Files of an input, with the folder that was chosen. */
export const chosenFiles = (files: readonly File[]): PlacedFile[] =>
  files.map(file => ({ file, folder: file.webkitRelativePath.split('/').slice(0, -1).join('/') }));

/** Every file that was dropped. */
export async function droppedFiles(transfer: DataTransfer): Promise<PlacedFile[]> {
  // Entries must be taken before the first await: the transfer is empty afterwards.
  const entries = [...transfer.items].map(item => item.webkitGetAsEntry()).filter(entry => entry !== null);
  if (entries.length === 0) return chosenFiles([...transfer.files]);
  return (await Promise.all(entries.map(filesOf))).flat();
}
