/** CRC-32 as zip archives have it (ISO-HDLC): polynomial 0xEDB88320, reflected. */

/** Eight tables, so that eight bytes are taken at once ("slicing by 8", Kounavis and Berry 2005). */
const tables = Array.from({ length: 8 }, () => new Uint32Array(256));
for (let byte = 0; byte < 256; byte++) {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  tables[0]![byte] = crc;
}
for (let slice = 1; slice < 8; slice++) {
  for (let byte = 0; byte < 256; byte++) {
    const crc = tables[slice - 1]![byte]!;
    tables[slice]![byte] = (crc >>> 8) ^ tables[0]![crc & 0xff]!;
  }
}
const [t0, t1, t2, t3, t4, t5, t6, t7] = tables as [
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
];

/** The checksum of bytes that come in parts. */
export class Crc32 {
  #state = 0xffffffff;

  update(bytes: Uint8Array): void {
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
