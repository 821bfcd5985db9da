/**
 * The Chromium that the npm package @sparticuz/chromium carries, with SwiftShader (Vulkan on the CPU), unpacked once.
 * Nothing is downloaded and nothing but node_modules is written.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { writeFileAtomic } from '../../src/files/write-atomic.ts';

export interface BundledChromium {
  /** Where everything was unpacked, SwiftShader's libraries among it. */
  readonly folder: string;
  readonly executable: string;
  /** A fontconfig folder with the fonts that come along. */
  readonly fonts: string;
}

/** Unpacks Chromium and SwiftShader (about two seconds, the first time only). Linux on x64 only, as the package is. */
export async function unpackChromium(): Promise<BundledChromium> {
  const require = createRequire(import.meta.url);
  const entry = require.resolve('@sparticuz/chromium');
  const modules = join(entry.slice(0, entry.lastIndexOf('@sparticuz')));
  const folder = join(modules, '.cache', 'monosemantic', 'chromium');
  if (!existsSync(folder)) await unpackInto(folder, entry);
  // In a copy of node_modules the file still names the place it was copied from, and without fonts Chromium crashes.
  const fonts = join(folder, 'fonts', 'fonts.conf');
  if ((await readFile(fonts, 'utf8')) !== fontsConfiguration(folder)) {
    await writeFileAtomic(fonts, fontsConfiguration(folder));
  }
  return { folder, executable: join(folder, 'chromium'), fonts: join(folder, 'fonts') };
}

/** The package's own names folders of AWS Lambda and /tmp/fonts; without any font Chromium crashes at the first word. */
const fontsConfiguration = (folder: string): string => `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>${join(folder, 'fonts')}</dir>
  <cachedir>${join(folder, 'cache')}</cachedir>
</fontconfig>
`;

/** The package unpacks into the system's temporary folder, so a process with its own such folder does it. */
async function unpackInto(folder: string, entry: string): Promise<void> {
  await mkdir(dirname(folder), { recursive: true });
  const temporary = await mkdtemp(`${folder}-`);
  const program = `import chromium from ${JSON.stringify(pathToFileURL(entry).href)}; await chromium.executablePath();`;
  const env = { ...process.env, TMPDIR: temporary };
  await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], { env });
  await writeFile(join(temporary, 'fonts', 'fonts.conf'), fontsConfiguration(join(folder, 'fonts')));
  try {
    await rename(temporary, folder);
  } catch (error) {
    await rm(temporary, { recursive: true });
    // Another process was first; what it unpacked is the same.
    if (!existsSync(folder)) throw error;
  }
}
