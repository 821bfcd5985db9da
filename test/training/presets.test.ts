/** Practices by name: what they set, what overrides them, and that each trains every architecture. */
import { expect } from 'chai';
import { createRandomSource } from '../../src/data/random-source.ts';
import { InvalidValueError } from '../../src/errors.ts';
import type { ActivationConfig } from '../../src/models/architectures/registry.ts';
import { type HostTensor, hostTensor } from '../../src/tensor.ts';
import { trainSae } from '../../src/training/node.ts';
import { PRESETS, type PresetName } from '../../src/training/presets.ts';
import { resolveSaeSettings, type SaeSettings } from '../../src/training/sae-settings.ts';

const ACTIVATIONS: readonly ActivationConfig[] = [
  { kind: 'relu' },
  { kind: 'topk', k: 3 },
  { kind: 'batchtopk', k: 3 },
  { kind: 'jumprelu', targetL0: 3 },
  { kind: 'gated' },
  { kind: 'matryoshka', k: 3, widths: [10, 30] },
];

function resolved(preset: PresetName, own: Partial<SaeSettings> & Pick<SaeSettings, 'activation'>) {
  return resolveSaeSettings({ data: [], dSae: 16384, steps: 10_000, preset, ...own });
}

/** Sparse sums of 24 directions in 12 dimensions. */
function planted(seed: number, rows: number): HostTensor {
  const random = createRandomSource(seed);
  const directions = Array.from({ length: 24 }, () => Float32Array.from({ length: 12 }, () => random.normal()));
  const data = new Float32Array(rows * 12);
  for (let row = 0; row < rows; row++) {
    for (let part = 0; part < 3; part++) {
      const direction = directions[random.integer(24)]!;
      for (let i = 0; i < 12; i++) data[row * 12 + i]! += direction[i]! * (0.5 + random.uniform());
    }
  }
  return hostTensor(data, [rows, 12]);
}

describe('presets', () => {
  it('saelens sets what SAELens 6.54 has as its defaults', () => {
    const topk = resolved('saelens', { activation: { kind: 'topk', k: 32 } });
    // sae_lens/config.py and saes/topk_sae.py.
    expect(topk).to.deep.include({
      batchSize: 4096,
      learningRate: 3e-4,
      clip: 1,
      reconstructionLoss: 'sum',
      decoder: 'free',
    });
    expect(topk.optimizer).to.deep.include({ betas: [0.9, 0.999], eps: 1e-8, learningRate: 3e-4 });
    expect(topk.start).to.deep.equal({ directions: 'gaussian', decoderNorm: 0.1, bias: 'zero' });
    expect(topk.activation).to.deep.equal({
      kind: 'topk',
      k: 32,
      rescaleByDecoderNorm: true,
      auxK: { form: 'saelens', coefficient: 1, deadAfter: 1001 },
    });
    expect(resolved('saelens', { activation: { kind: 'relu' } }).activation).to.deep.equal({ kind: 'relu', l1: 1 });
  });

  it('anthropic-2025 steers a JumpReLU by tanh over the whole run, and lets the rate fall over the last fifth', () => {
    const { activation, schedules, normalize } = resolved('anthropic-2025', { activation: { kind: 'jumprelu' } });
    expect(activation).to.include({ sparsityLoss: 'tanh', bandwidth: 2, threshold: 0.1, preActivationLoss: 3e-6 });
    expect(schedules).to.deep.equal({
      learningRate: { decay: 'linear', decaySteps: 2000 },
      l0: { from: 0, steps: 10_000 },
    });
    expect(normalize).to.equal('expected_average_only_in');
  });

  it('ours begins fast and slows down over the whole run where latents are chosen, and over the last fifth else', () => {
    for (const kind of ['topk', 'batchtopk'] as const) {
      const { learningRate, schedules } = resolved('ours', { activation: { kind, k: 3 }, dSae: 48, steps: 700 });
      expect([learningRate, schedules.learningRate]).to.deep.equal([0.003, { decay: 'linear', decaySteps: 700 }]);
    }
    for (const [dSae, rate] of [
      [4096, 0.003],
      [16_384, 0.0015],
      [65_536, 0.00075],
    ] as const) {
      const { learningRate } = resolved('ours', { activation: { kind: 'topk', k: 3 }, dSae });
      expect(learningRate, `${dSae} latents`).to.be.closeTo(rate, 1e-12);
    }
    const relu = resolved('ours', { activation: { kind: 'relu' }, steps: 700 });
    expect([relu.learningRate, relu.schedules.learningRate]).to.deep.equal([
      0.001,
      { decay: 'linear', decaySteps: 140 },
    ]);
  });

  it('ours clips penalised objectives in the unit of a sum, where the norm of 1 is that of most gradients', () => {
    for (const kind of ['relu', 'gated', 'jumprelu'] as const) {
      expect(resolved('ours', { activation: { kind } })).to.include({ clip: 1, reconstructionLoss: 'sum' });
    }
    expect(resolved('ours', { activation: { kind: 'topk', k: 3 } })).to.include({ reconstructionLoss: 'mean' });
  });

  it('ours chooses latents by activation times row norm, where rows have norms of their own', () => {
    const kind = { kind: 'batchtopk', k: 8 } as const;
    const free = resolved('ours', { activation: kind });
    expect([free.decoder, free.start.decoderNorm]).to.deep.equal(['free', undefined]);
    expect(free.activation).to.have.property('rescaleByDecoderNorm', true);
    for (const decoder of ['reparametrise', 'renormalise'] as const) {
      const unit = resolved('ours', { activation: kind, decoder });
      expect(unit.activation, decoder).to.not.have.property('rescaleByDecoderNorm');
      expect(unit.activation, decoder).to.have.property('auxK');
    }
  });

  it('dictionary-learning takes Gao’s law for the rate of those that choose latents', () => {
    const { learningRate } = resolved('dictionary-learning', { activation: { kind: 'topk', k: 32 }, dSae: 2 ** 16 });
    expect(learningRate).to.be.closeTo(1e-4, 1e-12);
  });

  it('give way to what is set, part by part', () => {
    const { activation, optimizer, learningRate, schedules, start } = resolved('saelens', {
      activation: { kind: 'batchtopk', k: 8, auxK: { coefficient: 0.5 } },
      optimizer: { betas: [0, 0.99] },
      learningRate: 1e-3,
      schedules: { k: { from: 60, steps: 100 } },
      start: { bias: 'mean' },
    });
    expect(activation).to.deep.include({ auxK: { form: 'saelens', coefficient: 0.5, deadAfter: 1001 } });
    expect(optimizer).to.deep.include({ betas: [0, 0.99], eps: 1e-8, learningRate: 1e-3 });
    expect([learningRate, schedules]).to.deep.equal([1e-3, { k: { from: 60, steps: 100 } }]);
    expect(start).to.deep.equal({ directions: 'gaussian', decoderNorm: 0.1, bias: 'mean' });
  });

  it('leave AuxK out where it is refused or does not go with the normalisation', () => {
    const kind = { kind: 'topk', k: 8 } as const;
    expect(resolved('ours', { activation: kind }).activation).to.have.property('auxK');
    const refused = resolved('ours', { activation: { ...kind, auxK: false } });
    expect(refused.activation).to.have.property('auxK', false);
    expect(resolved('ours', { activation: kind, normalize: 'layer_norm' }).activation).to.not.have.property('auxK');
    // The command line resolves settings to print them, and training resolves what it is given once more.
    expect(resolveSaeSettings(refused).activation).to.have.property('auxK', false);
  });

  it('leave a training without one its own AuxK: beyond 64 latents that are chosen, unless it is refused or cannot be', () => {
    const auxKOf = (own: Partial<SaeSettings> & Pick<SaeSettings, 'activation'>) =>
      (resolveSaeSettings({ data: [], dSae: 65, steps: 10, ...own }).activation as { readonly auxK?: unknown }).auxK;
    for (const kind of ['topk', 'batchtopk', 'matryoshka'] as const) {
      const activation = { kind, k: 3, ...(kind === 'matryoshka' && { widths: [10] }) } as ActivationConfig;
      expect(auxKOf({ activation }), kind).to.deep.equal({});
      expect(auxKOf({ activation, dSae: 64 }), kind).to.equal(undefined);
      expect(auxKOf({ activation: { ...activation, auxK: false } as ActivationConfig }), kind).to.equal(false);
      expect(auxKOf({ activation, normalize: 'layer_norm' }), kind).to.equal(undefined);
      expect(auxKOf({ activation, preset: 'seed' }), kind).to.equal(undefined);
      expect(auxKOf({ activation: { ...activation, auxK: { deadAfter: 7 } } as ActivationConfig })).to.deep.equal({
        deadAfter: 7,
      });
    }
    for (const kind of ['relu', 'jumprelu', 'gated'] as const)
      expect(auxKOf({ activation: { kind } }), kind).to.equal(undefined);
  });

  it('are known by name', () => {
    const wrong = () => resolved('sae-lens' as PresetName, { activation: { kind: 'relu' } });
    expect(wrong).to.throw(InvalidValueError, `preset "sae-lens" does not exist; choose from ${PRESETS.join(', ')}`);
  });

  for (const preset of PRESETS) {
    it(`${preset} trains every architecture`, async () => {
      const data = planted(1, 800);
      for (const activation of ACTIVATIONS) {
        const { sae, history } = await trainSae({ data, dSae: 48, activation, steps: 60, batchSize: 64, preset });
        expect(history.loss.every(Number.isFinite), activation.kind).to.equal(true);
        expect(sae.training['preset']).to.equal(preset);
      }
    });
  }
});

describe('a steered number of active latents', () => {
  for (const activation of [
    { kind: 'jumprelu', l0: 0.02, bandwidth: 0.5, threshold: 0.1 },
    { kind: 'relu', l1: 0.06 },
  ] as const) {
    it(`${activation.kind}: comes near its target, from above and from below`, async () => {
      const data = planted(2, 4000);
      const settings = { data, dSae: 48, steps: 6000, batchSize: 64, learningRate: 0.003 };
      const activeOf = async (targetL0: number) => {
        const { sae } = await trainSae({ ...settings, activation: { ...activation, targetL0 } });
        const { features } = sae.forward(data);
        return features.data.reduce((sum, value) => sum + (value > 0 ? 1 : 0), 0) / 4000;
      };
      const [few, many] = [await activeOf(4), await activeOf(9)];
      expect(few).to.be.within(3.4, 4.6);
      expect(many).to.be.within(8, 10);
    });
  }

  it('is refused out of range', async () => {
    const training = trainSae({ data: planted(1, 50), dSae: 4, steps: 1, activation: { kind: 'relu', targetL0: 5 } });
    expect(await training.catch((error: unknown) => error)).to.be.instanceOf(InvalidValueError);
  });
});
