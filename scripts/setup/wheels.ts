/** Python wheels whose shared libraries stand under Node's packages: what is downloaded, pinned by SHA-256. */

/** A Python wheel and its SHA-256. */
export interface Wheel {
  readonly name: string;
  readonly version: string;
  /** SHA-256 of the wheel, as hexadecimal digits: what the Python package index lists. */
  readonly sha256: string;
  /** Bytes to download, and bytes that stay on the disk; absent where nobody is told. */
  readonly size?: { readonly download: number; readonly unpacked: number };
}

/** Wheels for one kind of machine, and what pip must be told to take them whatever Python it runs under. */
export interface WheelSet {
  readonly wheels: readonly Wheel[];
  /** Python's version in the wheels' tags. Only C libraries are used, so it need not be the version that runs pip. */
  readonly python: string;
  readonly platforms: readonly string[];
  /** Free space that unpacking needs, in bytes. */
  readonly diskSpace: number;
}

/** The wheels as a pip requirements file: with hashes, pip refuses a file that differs in one byte. */
export function requirements({ wheels }: Pick<WheelSet, 'wheels'>): string {
  return wheels.map(({ name, version, sha256 }) => `${name}==${version} --hash=sha256:${sha256}\n`).join('');
}

/** Describes a wheel by its name on the index, its version and its SHA-256. */
export function wheel(name: string, version: string, sha256: string, size?: Wheel['size']): Wheel {
  return { name, version, sha256, ...(size && { size }) };
}

/** Bytes in words, such as `247 MB` or `1.17 GB`. */
export function inWords(bytes: number): string {
  return bytes < 1e9 ? `${Math.round(bytes / 1e6)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}
