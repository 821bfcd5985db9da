/** NVIDIA's driver and cards, as far as they can be seen without loading anything. */
import { existsSync, readFileSync } from 'node:fs';
import { hasNvidiaGpu } from '../../src/engines/tensorflow.ts';
import { run } from '../setup/run-command.ts';

/** A card as nvidia-smi describes it. */
export interface NvidiaCard {
  readonly name: string;
  readonly memoryMiB: number;
  /** Such as `9.0`. */
  readonly computeCapability: string;
}

/** NVIDIA's driver and the cards that it drives. */
export interface NvidiaDriver {
  /** Such as `580.159.04`; absent where it cannot be read. */
  readonly version?: string;
  readonly cards: readonly NvidiaCard[];
}

/** The oldest version of the driver that CUDA 13 runs on: https://docs.nvidia.com/cuda/cuda-toolkit-release-notes/ */
const LEAST_DRIVER = 580;
const LEAST_CAPABILITY = 7.5;

/** The driver, or `undefined` where this machine has none. */
export async function findNvidiaDriver(): Promise<NvidiaDriver | undefined> {
  const asked = await askNvidiaSmi('name,memory.total,compute_cap,driver_version').catch(() => undefined);
  if (asked !== undefined) return parseCards(asked);
  if (!hasNvidiaGpu()) return undefined;
  const [version] = /\d{3,}\.\d+(\.\d+)?/.exec(read('/proc/driver/nvidia/version')) ?? [];
  return { ...(version !== undefined && { version }), cards: [] };
}

/** Lines of `nvidia-smi --query-gpu=FIELDS`, without header and units. */
export async function askNvidiaSmi(fields: string): Promise<string> {
  const known = ['/usr/local/nvidia/bin/nvidia-smi', '/usr/lib/wsl/lib/nvidia-smi'].find(existsSync);
  return run(known ?? 'nvidia-smi', [`--query-gpu=${fields}`, '--format=csv,noheader,nounits']);
}

/** Reads what `findNvidiaDriver` asks nvidia-smi for. */
export function parseCards(printed: string): NvidiaDriver {
  const rows = printed.split('\n').map(line => line.split(',').map(part => part.trim()));
  const cards = rows
    .filter(row => row.length === 4)
    .map(([name, memory, computeCapability]) => ({
      name: name!,
      memoryMiB: Number(memory),
      computeCapability: computeCapability!,
    }));
  const version = rows[0]?.[3];
  return { ...(version && { version }), cards };
}

/** One line: what driver and cards there are, and whether CUDA 13 runs on them. */
export function describeDriver(driver: NvidiaDriver | undefined): string {
  if (driver === undefined) {
    return `no NVIDIA driver was found (no nvidia-smi, no /dev/nvidiactl): CUDA 13 needs one of version ${LEAST_DRIVER} or newer`;
  }
  const { version, cards } = driver;
  const names = cards.map(
    ({ name, memoryMiB, computeCapability }) => `${name} (${memoryMiB} MiB, compute capability ${computeCapability})`,
  );
  const found = `driver ${version ?? 'of unknown version'}, ${names.join(', ') || 'no card named'}`;
  if (version !== undefined && Number.parseInt(version, 10) < LEAST_DRIVER) {
    return `${found}: too old, CUDA 13 needs driver ${LEAST_DRIVER} or newer`;
  }
  const old = cards.find(({ computeCapability }) => Number(computeCapability) < LEAST_CAPABILITY);
  if (old) return `${found}: CUDA 13 needs compute capability ${LEAST_CAPABILITY} or higher`;
  return found;
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
