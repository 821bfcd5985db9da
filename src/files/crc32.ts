/** CRC-32 with the reflected polynomials of zip archives (ISO-HDLC) and of TFRecord files (Castagnoli, CRC-32C). */

/** Eight tables of a reflected polynomial, so that eight bytes are taken at once ("slicing by 8", Kounavis and Berry 2005). */
function tablesOf(polynomial: number): readonly Uint32Array[] {
  const tables = Array.from({ length: 8 }, () => new Uint32Array(256));
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1;
    tables[0]![byte] = crc;
  }
  for (let slice = 1; slice < 8; slice++) {
    for (let byte = 0; byte < 256; byte++) {
      const crc = tables[slice - 1]![byte]!;
      tables[slice]![byte] = (crc >>> 8) ^ tables[0]![crc & 0xff]!;
    }
  }
  return tables;
}

/** The checksum of bytes that come in parts. */
class Checksum {
  #state = 0xffffffff;
  readonly #tables: readonly Uint32Array[];

  constructor(tables: readonly Uint32Array[]) {
    this.#tables = tables;
  }

  update(bytes: Uint8Array): void {
    const [t0, t1, t2, t3, t4, t5, t6, t7] = this.#tables as [
      ...[Uint32Array, Uint32Array, Uint32Array, Uint32Array],
      ...[Uint32Array, Uint32Array, Uint32Array, Uint32Array],
    ];
    let crc = this.#state;
    let at = 0;
    for (; at + 8 <= bytes.byteLength; at += 8) {
      crc ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
      crc =
        t7[crc & 0xff]! ^
        t6[(crc >>> 8) & 0xff]! ^
        t5[(crc >>> 16) & 0xff]! ^
        t4[crc >>> 24]! ^
        t3[bytes[at + 4]!]! ^
        t2[bytes[at + 5]!]! ^
        t1[bytes[at + 6]!]! ^
        t0[bytes[at + 7]!]!;
    }
    for (; at < bytes.byteLength; at++) crc = (crc >>> 8) ^ t0[(crc ^ bytes[at]!) & 0xff]!;
    this.#state = crc;
  }

  get value(): number {
    return (this.#state ^ 0xffffffff) >>> 0;
  }
}

const ZIP = tablesOf(0xedb88320);
const CASTAGNOLI = tablesOf(0x82f63b78);

/** CRC-32 as zip archives have it. */
export class Crc32 extends Checksum {
  constructor() {
    super(ZIP);
  }
}

/** CRC-32C (RFC 3720), as TFRecord files have it. */
export class Crc32c extends Checksum {
  constructor() {
    super(CASTAGNOLI);
  }
}
