/** The settings: what models run on, and the theme. */
import { signal } from '@preact/signals';
import type { Compute } from '../data/model.ts';
import { computeReports, moveAll } from '../open/opening.ts';
import { models } from '../state/models.ts';
import { probeResult } from '../state/probe.ts';
import { COMPUTES, compute, THEMES, type Theme, theme } from '../state/settings.ts';
import { Dialog } from './dialog.tsx';
import { Segmented } from './segmented.tsx';

/** Whether the settings are shown. */
export const settingsOpen = signal(false);

const COMPUTE_NAMES: Record<Compute, string> = { auto: 'Auto', webgpu: 'WebGPU', wasm: 'WASM' };
const THEME_NAMES: Record<Theme, string> = { auto: 'System', light: 'Light', dark: 'Dark' };

/** The dialog of the settings, with a table of what each open model runs on and why. */
export function Settings() {
  const time = probeResult.value?.milliseconds;
  return (
    <Dialog title="Settings" open={settingsOpen}>
      <div class="stack">
        <Segmented
          legend="Compute"
          value={compute.value}
          options={COMPUTES.map(value => ({ value, title: COMPUTE_NAMES[value] }))}
          onChange={value => {
            compute.value = value;
            void moveAll();
          }}
        />
        <table>
          <thead>
            <tr>
              <th scope="col">Model</th>
              <th scope="col">Runs on</th>
            </tr>
          </thead>
          <tbody>
            {models.value.map(model => (
              <tr key={model.id}>
                <td style={{ whiteSpace: 'normal' }}>{model.name}</td>
                <td>{computeReports.value[model.id]?.provider === 'webgpu' ? 'WebGPU' : 'WASM'}</td>
              </tr>
            ))}
          </tbody>
        </table>
        {time !== undefined && (
          <p class="small quiet number">The last probe took {time.toFixed(2)} ms in ONNX Runtime.</p>
        )}
        {[...new Set(models.value.flatMap(model => computeReports.value[model.id]?.refused ?? []))].map(reason => (
          <p key={reason} class="small quiet">
            {reason}
          </p>
        ))}
        <p class="small quiet">Everything runs in this browser. No model and no input leaves it.</p>
      </div>
      <Segmented
        legend="Theme"
        value={theme.value}
        options={THEMES.map(value => ({ value, title: THEME_NAMES[value] }))}
        onChange={value => {
          theme.value = value;
        }}
      />
    </Dialog>
  );
}
