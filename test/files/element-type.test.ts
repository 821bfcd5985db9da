import { expect } from 'chai';
import { decodeElements, decodeFloat16 } from '../../src/files/element-type.ts';

/** IEEE 754 binary16 by its definition. */
function float16(bits: number): number {
  const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

describe('float16', () => {
  it('is decoded by its definition, every one of them, wherever its bytes lie', () => {
    const count = 2 ** 16;
    const expected = Float32Array.from({ length: count }, (_, bits) => float16(bits));
    const bytes = new Uint8Array(Uint16Array.from({ length: count }, (_, bits) => bits).buffer);
    const odd = new Uint8Array(2 * count + 1);
    odd.set(bytes, 1);
    const into = new Float32Array(count + 2);
    decodeFloat16(odd.subarray(1), into.subarray(1, count + 1));
    for (const decoded of [decodeElements(bytes, 'float16'), into.subarray(1, count + 1)]) {
      // Object.is tells −0 from 0, and one NaN is like another.
      const wrong = expected.findIndex((value, bits) => !Object.is(value, decoded[bits]));
      expect(wrong).to.equal(-1);
    }
    expect([into[0], into.at(-1)]).to.deep.equal([0, 0]);
  });

  it('is decoded in parts as whole', () => {
    const bytes = new Uint8Array(Uint16Array.from({ length: 10_000 }, (_, i) => (i * 7919) % 2 ** 15).buffer);
    const whole = decodeElements(bytes, 'float16');
    const part = new Float32Array(5001);
    decodeFloat16(bytes.subarray(2 * 4999), part);
    expect(part).to.deep.equal(whole.slice(4999));
  });
});
