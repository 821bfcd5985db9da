/** Each kind of figure against the SVG in test/snapshots, which a person can open. UPDATE_SNAPSHOTS=1 rewrites them. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { toSvg } from '../../src/plots/node.ts';
import { sampleFigures } from './sample-figures.ts';

const folder = fileURLToPath(new URL('../snapshots/', import.meta.url));
const update = process.env['UPDATE_SNAPSHOTS'] === '1';

describe('figures as SVG', () => {
  for (const [name, figure] of Object.entries(sampleFigures)) {
    it(`draws ${name} as its snapshot`, () => {
      const file = `${folder}${name}.svg`;
      const svg = toSvg(figure);
      if (update) writeFileSync(file, svg);
      expect(existsSync(file), `${file} is missing: run with UPDATE_SNAPSHOTS=1`).to.equal(true);
      expect(svg === readFileSync(file, 'utf8'), `differs from ${file}; UPDATE_SNAPSHOTS=1 rewrites it`).to.equal(true);
    });

    it(`draws ${name} from a copy as data, to the same bytes`, () => {
      expect(toSvg(JSON.parse(JSON.stringify(figure)) as typeof figure)).to.equal(toSvg(figure));
    });

    it(`draws ${name} without anything from outside or undefined`, () => {
      const svg = toSvg(figure);
      const addresses = svg.match(/https?:\/\/[^"\s)]+/g) ?? [];
      expect(new Set(addresses)).to.deep.equal(new Set(['http://www.w3.org/2000/svg']));
      expect(svg).not.to.match(/<image|<script|<style|<foreignObject|NaN|undefined|Infinity/);
      for (const [, target] of svg.matchAll(/url\(#([^)]+)\)/g)) expect(svg).to.include(`id="${target}"`);
    });

    it(`says of ${name} what it shows`, () => {
      const svg = toSvg(figure);
      expect(svg).to.include(figure.title);
      expect(svg).to.match(/aria-label="[xy]-axis label"/);
    });
  }

  it('has no snapshot of a figure that is gone', () => {
    const names = readdirSync(folder).map(file => file.replace(/\.svg$/, ''));
    expect(names).to.have.members(Object.keys(sampleFigures));
  });
});
