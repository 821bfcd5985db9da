/** The rail: which models are in view, the ways to open more, and the views. */

import type { ModelKind } from '../data/model.ts';
import { computeReports, manifest, openBundled, openFiles, opening } from '../open/open-models.ts';
import { link, models, sae, saeId, showModel, toy, toyId } from '../state/models.ts';
import { VIEWS, view } from '../state/navigation.ts';
import { probeResult } from '../state/probe.ts';
import { settingsOpen } from './settings.tsx';
import { shareOpen } from './share.tsx';

/** The star of five features, as the mark of the project. */
export function Mark({ size = 22 }: { readonly size?: number }) {
  return (
    <svg width={size} height={size} viewBox="-8 -8 16 16" stroke-width="2" stroke-linecap="round" aria-hidden="true">
      {Array.from({ length: 5 }, (_, i) => {
        const angle = -Math.PI / 2 + (2 * Math.PI * i) / 5;
        return (
          <line
            key={i}
            x1="0"
            y1="0"
            x2={7 * Math.cos(angle)}
            y2={7 * Math.sin(angle)}
            stroke={`var(--feature-${i})`}
          />
        );
      })}
    </svg>
  );
}

const LINKS = {
  'trained on it': 'Trained on this toy model.',
  fits: 'The widths fit; the file names no model.',
  'trained on another': 'The file says that it was trained on another toy model: its hash differs.',
  'does not fit': 'Its input does not fit this toy model, so it stands alone.',
  alone: '',
} as const;

function Picker({ kind, label }: { readonly kind: ModelKind; readonly label: string }) {
  const current = kind === 'toy-model' ? toy.value : sae.value;
  const open = models.value.filter(model => model.kind === kind);
  const openIds = new Set(models.value.map(({ source }) => (source.type === 'bundled' ? source.id : '')));
  const bundled = manifest.value?.models.filter(entry => entry.kind === kind && !openIds.has(entry.id)) ?? [];
  return (
    <label class="field">
      <span>{label}</span>
      <select
        value={current?.id ?? ''}
        onChange={event => {
          const id = event.currentTarget.value;
          if (id === '') (kind === 'toy-model' ? toyId : saeId).value = undefined;
          else if (id.startsWith('bundled:')) void openBundled(id.slice('bundled:'.length));
          else showModel(id);
        }}
      >
        <option value="">None</option>
        {open.map(model => (
          <option key={model.id} value={model.id}>
            {model.name}
          </option>
        ))}
        {bundled.length > 0 && (
          <optgroup label="Bundled">
            {bundled.map(entry => (
              <option key={entry.id} value={`bundled:${entry.id}`}>
                {entry.name}
              </option>
            ))}
          </optgroup>
        )}
      </select>
    </label>
  );
}

export function Rail() {
  const report = computeReports.value[sae.value?.id ?? toy.value?.id ?? ''];
  const time = probeResult.value?.milliseconds;
  const linkText = LINKS[link.value];
  return (
    <header class="rail">
      <div class="wordmark">
        <Mark /> monosemantic
      </div>
      <section class="models" aria-label="Models">
        <Picker kind="toy-model" label="Toy model" />
        <Picker kind="sparse-autoencoder" label="Autoencoder" />
        {linkText && (
          <p class="small" style={{ color: link.value === 'trained on another' ? 'var(--bad)' : 'var(--quiet)' }}>
            {linkText}
          </p>
        )}
        <label class="button primary open-button">
          {opening.value.length > 0 ? 'Opening…' : 'Open model'}
          <input
            type="file"
            multiple
            aria-label="Open model"
            accept=".onnx,.json,.safetensors"
            onChange={async event => {
              const input = event.currentTarget;
              const files = [...(input.files ?? [])];
              await openFiles(files);
              input.value = '';
            }}
          />
        </label>
      </section>
      <nav aria-label="Views">
        <ul>
          {VIEWS.map(({ id, title }) => (
            <li key={id}>
              <button
                type="button"
                aria-current={view.value === id ? 'page' : undefined}
                onClick={() => {
                  view.value = id;
                }}
              >
                {title}
              </button>
            </li>
          ))}
        </ul>
      </nav>
      <div class="rail-foot">
        {report && (
          <p class="small quiet compute number">
            {report.provider === 'webgpu' ? 'WebGPU' : 'WASM'}
            {time !== undefined && `, ${time < 10 ? time.toFixed(1) : Math.round(time)} ms a run`}
          </p>
        )}
        <div class="row">
          <button
            type="button"
            class="button tiny"
            onClick={() => {
              shareOpen.value = true;
            }}
          >
            Share
          </button>
          <button
            type="button"
            class="button tiny"
            onClick={() => {
              settingsOpen.value = true;
            }}
          >
            Settings
          </button>
        </div>
      </div>
    </header>
  );
}
