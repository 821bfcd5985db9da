/** Probing in a real browser: what is shown is what onnxruntime-node computes, on WASM and on WebGPU. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Page } from 'playwright-core';
import { type LoadedSae, type LoadedToyModel, loadSae, loadToyModel } from '../../src/inference/node.ts';
import { MODELS, probeOf, skipWithoutBrowser, startViewer, type Viewer } from './built-viewer.ts';

const near = (actual: readonly number[] | undefined, expected: ArrayLike<number>, tolerance = 1e-4): void => {
  expect(actual).to.have.length(expected.length);
  for (const [i, value] of actual!.entries()) expect(value).to.be.closeTo(expected[i]!, tolerance);
};

/** Moves a slider as the keyboard does. */
async function slide(page: Page, name: string, value: number): Promise<void> {
  await page.getByRole('slider', { name, exact: true }).fill(String(value));
}

describe('probing in the viewer', () => {
  let viewer: Viewer;
  let toy: LoadedToyModel;
  let sae: LoadedSae;

  before(async function () {
    skipWithoutBrowser(this);
    viewer = await startViewer();
    toy = await loadToyModel(join(MODELS, 'star.onnx'), { provider: 'cpu' });
    sae = await loadSae(join(MODELS, 'sae-found.onnx'), { provider: 'cpu' });
  });
  after(async () => {
    await viewer?.close();
    await toy?.dispose();
    await sae?.dispose();
  });

  for (const [title, provider] of [
    ['WASM', 'WASM'],
    ['WebGPU', 'WebGPU'],
  ] as const) {
    it(`shows what onnxruntime-node computes, on ${title}`, async () => {
      const page = await viewer.page('?model=star&model=sae-found&view=sample');
      if (provider === 'WebGPU') {
        await page.getByRole('button', { name: 'Settings' }).click();
        await page.getByText('WebGPU', { exact: true }).first().click();
        await page.waitForFunction(() => {
          const cells = [...document.querySelectorAll('dialog[open] tbody td:last-child')];
          return cells.length >= 2 && cells.every(cell => cell.textContent === 'WebGPU');
        });
        await page.getByRole('button', { name: 'Close', exact: true }).click();
      }
      const input = [0.5, 0, 0.9, 0, 0.3];
      for (const [feature, value] of input.entries()) await slide(page, `Feature ${feature}`, value);
      const { hidden, reconstruction } = await toy.forward(Float32Array.from(input), { shape: [1, 5] });
      const code = await sae.forward(hidden);
      await page.waitForFunction(
        ([value]) => document.querySelector('[data-test=hidden-0]')?.textContent?.replace('−', '-') === value,
        [hidden.data[0]!.toFixed(3)] as const,
      );
      const probe = await probeOf(page);
      near(probe.input.features, Float32Array.from(input));
      near(probe.hidden, hidden.data);
      near(probe.toyReconstruction, reconstruction.data);
      near(probe.features, code.features.data);
      near(probe.reconstruction, code.reconstruction.data);
      await page.context().close();
    });
  }

  it('opens every bundled model and probes it', async () => {
    const { models } = JSON.parse(await readFile(join(MODELS, 'models.json'), 'utf8')) as {
      models: { id: string; kind: string }[];
    };
    expect(models.map(({ id }) => id)).to.include.members(['star', 'sae-found', 'sae-collapsed']);
    const page = await viewer.page(`?${models.map(({ id }) => `model=${id}`).join('&')}&view=sample`);
    expect(await page.getByRole('alert').innerText()).to.equal('');
    const probe = await probeOf(page);
    expect(probe.features).to.have.length(24);
    expect(probe.hidden.every(Number.isFinite)).to.equal(true);
    await page.context().close();
  });

  it('moves hidden, winner and reconstruction together when the point of the plane is moved', async () => {
    const page = await viewer.page('?model=star&model=sae-found&view=plane');
    const plane = page.getByRole('group', { name: 'Plane of activations' });
    const box = (await plane.boundingBox())!;
    const read = () =>
      page.evaluate(() =>
        ['hidden', 'winner', 'reconstruction'].map(
          name => document.querySelector(`[data-test=${name}]`)?.textContent ?? '',
        ),
      );
    const before = await read();
    await page.mouse.move(box.x + box.width * 0.3, box.y + box.height * 0.3);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.62, box.y + box.height * 0.8, { steps: 6 });
    await page.mouse.up();
    await page.waitForFunction(old => document.querySelector('[data-test=hidden]')?.textContent !== old, before[0]);
    const probe = await probeOf(page);
    const expected = await sae.forward(Float32Array.from(probe.hidden), { shape: [1, 2] });
    near(probe.features, expected.features.data);
    near(probe.reconstruction, expected.reconstruction.data);
    const winner = expected.features.data.indexOf(Math.max(...expected.features.data));
    const [shownHidden, shownWinner, shownReconstruction] = await read();
    expect(shownWinner).to.match(new RegExp(`^${winner} at `));
    expect(shownReconstruction?.replaceAll('−', '-').split(', ').map(Number)[0]).to.be.closeTo(
      expected.reconstruction.data[0]!,
      0.006,
    );
    // And by keyboard.
    // A key pressed while the drag's last run is still drawn can meet the element that it replaces.
    for (let tries = 0; tries < 20 && (await read())[0] === shownHidden; tries++) {
      await page.getByRole('application').press('ArrowRight');
      await page.waitForTimeout(250);
    }
    expect((await read())[0]).not.to.equal(shownHidden);
    expect((await probeOf(page)).hidden[0]).to.be.greaterThan(probe.hidden[0]!);
    await page.context().close();
  });

  it('cuts the graph at the features: an ablated latent leaves the reconstruction', async () => {
    const page = await viewer.page('?model=star&model=sae-found&view=sample&features=1,0,0,0,0');
    const before = await probeOf(page);
    const winner = before.features!.indexOf(Math.max(...before.features!));
    await page.getByRole('button', { name: `Ablate latent ${winner}` }).click();
    await page.waitForFunction(
      name => document.querySelector(`[data-test="${name}"]`)?.textContent === '0.000',
      `latent-${winner}`,
    );
    const after = await probeOf(page);
    const ablated = before.features!.map((value, i) => (i === winner ? 0 : value));
    const { data } = await sae.decode(Float32Array.from(ablated), { shape: [1, 5] });
    near(after.pinnedReconstruction, data);
    near(after.reconstruction, Float32Array.from(before.reconstruction!), 1e-6);
    // What came back from the toy model follows: alone, through the autoencoder, and with the change.
    const through = await toy.decode(Float32Array.from(before.reconstruction!), { shape: [1, 2] });
    near(after.toyThroughSae, through.data);
    const changed = await toy.decode(data, { shape: [1, 2] });
    near(after.toyWithPins, changed.data);
    await page.waitForFunction(
      ([value]) =>
        Math.abs(Number(document.querySelector('[data-test=back-0]')?.getAttribute('data-value')) - value) < 1e-4,
      [changed.data[0]!] as const,
    );
    expect(Math.abs(changed.data[0]! - through.data[0]!)).to.be.greaterThan(0.3);
    // A latent that is silent here can be held as well.
    await page.getByRole('button', { name: 'Release all' }).click();
    const silent = before.features!.indexOf(0);
    const form = page.getByRole('form', { name: 'Hold a latent' });
    await form.getByLabel('Latent to hold').fill(String(silent));
    await form.getByRole('button', { name: 'Hold it' }).click();
    await page.getByRole('slider', { name: `Held value of latent ${silent}` }).waitFor();
    const held = await probeOf(page);
    const pinned = before.features!.map((value, i) => (i === silent ? 1 : value));
    near(held.pinnedReconstruction, (await sae.decode(Float32Array.from(pinned), { shape: [1, 5] })).data);
    await page.context().close();
  });

  it('keeps its state in the address', async () => {
    const page = await viewer.page('?model=star&model=sae-collapsed&view=sample');
    await slide(page, 'Feature 3', 0.75);
    await page.getByRole('button', { name: 'Select feature 3' }).click();
    await page.waitForURL(/feature=3/);
    await page.waitForURL(/features=[^&]*0\.75/);
    const again = await viewer.page(new URL(page.url()).search);
    expect(await again.getByRole('slider', { name: 'Feature 3', exact: true }).inputValue()).to.equal('0.75');
    expect(await again.getByRole('button', { name: 'Select feature 3' }).getAttribute('aria-pressed')).to.equal('true');
    const [a, b] = [await probeOf(page), await probeOf(again)];
    expect(b.autoencoder).to.deep.equal(a.autoencoder);
    near(b.hidden, Float32Array.from(a.hidden), 1e-6);
    await page.context().close();
    await again.context().close();
  });

  it('draws no random sample that is empty', async () => {
    const page = await viewer.page('?model=star&model=sae-found&view=sample&density=0.02');
    for (let draw = 0; draw < 8; draw++) {
      await page.getByRole('button', { name: 'Random sparse' }).click();
      const probe = await probeOf(page);
      expect(probe.input.features!.some(value => value > 0)).to.equal(true);
    }
    await page.context().close();
  });

  it('had nothing to complain of', () => {
    expect(viewer.problems).to.deep.equal([]);
  });
});
