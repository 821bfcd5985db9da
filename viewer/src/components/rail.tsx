/** The rail: the models in view, the ways to open more, and the list of views. */

import type { ModelKind } from '../data/model.ts';
import { manifest, openBundled } from '../open/bundled-models.ts';
import { chosenFiles } from '../open/dropped-files.ts';
import { openFiles } from '../open/open-files.ts';
import { closeModel, computeReports, opening } from '../open/opening.ts';
import { link, models, sae, saeId, showModel, toy, toyId } from '../state/models.ts';
import { VIEW_GROUPS, view } from '../state/navigation.ts';
import { fail } from '../state/notices.ts';
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
  'does not fit': 'The autoencoder takes another number of inputs than this toy model gives.',
  alone: undefined,
} as const;

interface PickerProps {
  readonly kind: ModelKind;
  readonly label: string;
}

function Picker({ kind, label }: PickerProps) {
  const current = kind === 'toy-model' ? toy.value : sae.value;
  const open = models.value.filter(model => model.kind === kind);
  const openIds = new Set(models.value.map(({ source }) => (source.type === 'bundled' ? source.id : '')));
  const bundled = manifest.value?.models.filter(entry => entry.kind === kind && !openIds.has(entry.id)) ?? [];
  return (
    <div class="picker">
      <label class="field">
        <span>{label}</span>
        <select
          value={current?.id ?? ''}
          aria-label={label}
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
      {current && current.source.type !== 'bundled' && (
        <button
          type="button"
          class="button plain tiny"
          aria-label={`Close ${current.name}`}
          title="Close it and free its memory"
          onClick={() => closeModel(current.id).catch(error => fail(`${current.name} could not be closed`, error))}
        >
          <svg width="10" height="10" viewBox="0 0 10 10" stroke="currentColor" stroke-width="1.6" aria-hidden="true">
            <path d="M1 1l8 8M9 1l-8 8" />
          </svg>
        </button>
      )}
    </div>
  );
}

/** The rail of the page: beside the view on a wide screen, above it on a narrow one. */
export function Rail() {
  const report = computeReports.value[sae.value?.id ?? toy.value?.id ?? ''];
  const time = probeResult.value?.milliseconds;
  const linkText = LINKS[link.value];
  const isWrong = link.value === 'trained on another' || link.value === 'does not fit';
  return (
    <header class="rail">
      <div class="wordmark">
        <Mark /> monosemantic
      </div>
      <section class="models" aria-label="Models">
        <Picker kind="toy-model" label="Toy model" />
        <Picker kind="sparse-autoencoder" label="Autoencoder" />
        {linkText && (
          <p class="small" style={{ color: isWrong ? 'var(--bad)' : 'var(--quiet)' }}>
            {linkText}
          </p>
        )}
        <label class="button primary open-button">
          {opening.value.length > 0 ? 'Opening…' : 'Open files'}
          <input
            type="file"
            multiple
            aria-label="Open files"
            accept=".onnx,.data,.json,.safetensors,.npz,.npy,.csv,.txt"
            onChange={async event => {
              const input = event.currentTarget;
              const files = [...(input.files ?? [])];
              await openFiles(chosenFiles(files));
              input.value = '';
            }}
          />
        </label>
      </section>
      <nav aria-label="Views">
        {VIEW_GROUPS.map(({ title, views }) => (
          <div key={title} class="nav-group">
            <h2 class="label">{title}</h2>
            <ul>
              {views.map(({ id, title: name }) => (
                <li key={id}>
                  <button
                    type="button"
                    aria-current={view.value === id ? 'page' : undefined}
                    onClick={() => {
                      view.value = id;
                    }}
                  >
                    {name}
                  </button>
                </li>
              ))}
            </ul>
          </div>
        ))}
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
