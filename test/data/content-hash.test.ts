import { expect } from 'chai';
import { contentHash, murmur3 } from '../../src/data/content-hash.ts';

const words = (text: string): Uint32Array => new Uint32Array(new TextEncoder().encode(text).slice().buffer);

describe('contentHash', () => {
  it('is MurmurHash3', () => {
    // Published test vectors of the x86 32-bit variant, for texts of whole words.
    expect(murmur3(words(''), 0)).to.equal(0);
    expect(murmur3(words(''), 1)).to.equal(0x514e28b7);
    expect(murmur3(words('test'), 0)).to.equal(0xba6bd213);
    expect(murmur3(words('aaaa'), 0x9747b28c)).to.equal(0x5a97808a);
    expect(murmur3(Uint32Array.of(0), 0)).to.equal(0x2362f9de);
  });

  it('tells zero from minus zero, and one order from another', () => {
    const hashes = [
      [0, 1],
      [-0, 1],
      [1, 0],
      [0, 1, 0],
    ].map(values => contentHash(Float32Array.from(values)));
    expect(new Set(hashes).size).to.equal(4);
    expect(contentHash(Float32Array.of(9, 0, 1).subarray(1))).to.equal(hashes[0]);
    expect(hashes[0]).to.match(/^[0-9a-f]{16}$/);
  });
});
