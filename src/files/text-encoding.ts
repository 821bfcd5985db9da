/**
 * Text of any Unicode encoding, a part at a time. Excel and PowerShell save UTF-16; a byte order mark tells it, and where there is none the
 * zero bytes of the first four characters, which numbers and JSON never have in UTF-8.
 */

/** The name of an encoding of text. */
export type TextEncodingName = 'utf-8' | 'utf-16le' | 'utf-16be' | 'utf-32le' | 'utf-32be';

/** The encoding of text that begins with `bytes`; four are enough. */
export function textEncodingOf(bytes: Uint8Array): TextEncodingName {
  const [a = 1, b = 1, c = 1, d = 1] = bytes;
  if (a === 0xff && b === 0xfe) return c === 0 && d === 0 && bytes.byteLength >= 4 ? 'utf-32le' : 'utf-16le';
  if (a === 0xfe && b === 0xff) return 'utf-16be';
  if (a === 0 && b === 0) return 'utf-32be';
  if (a !== 0 && b === 0) return c === 0 && d === 0 ? 'utf-32le' : 'utf-16le';
  if (a === 0 && b !== 0) return 'utf-16be';
  return 'utf-8';
}

/** Turns the bytes of one text into characters, part by part; a byte order mark is left out. */
export class TextParts {
  readonly #encoding: TextEncodingName;
  readonly #decoder: TextDecoder | undefined;
  #rest: Uint8Array = new Uint8Array(0);
  #isFirst = true;

  constructor(encoding: TextEncodingName) {
    this.#encoding = encoding;
    this.#decoder = encoding.startsWith('utf-32') ? undefined : new TextDecoder(encoding);
  }

  /** The characters of the next bytes; those cut in the middle come with the next part. `isLast` ends the text. */
  decode(bytes: Uint8Array, isLast = false): string {
    return this.#decoder ? this.#decoder.decode(bytes, { stream: !isLast }) : this.#decodeUtf32(bytes);
  }

  /** Browsers and Node have no decoder for UTF-32. */
  #decodeUtf32(bytes: Uint8Array): string {
    const all = new Uint8Array(this.#rest.byteLength + bytes.byteLength);
    all.set(this.#rest);
    all.set(bytes, this.#rest.byteLength);
    const view = new DataView(all.buffer);
    const whole = all.byteLength - (all.byteLength % 4);
    const parts: string[] = [];
    for (let at = 0; at < whole; at += 4) {
      const code = view.getUint32(at, this.#encoding === 'utf-32le');
      if (!(this.#isFirst && code === 0xfeff)) parts.push(String.fromCodePoint(code > 0x10ffff ? 0xfffd : code));
      this.#isFirst = false;
    }
    this.#rest = all.slice(whole);
    return parts.join('');
  }
}

/** Decodes a whole text. */
export function decodeText(bytes: Uint8Array): string {
  return new TextParts(textEncodingOf(bytes)).decode(bytes, true);
}
