/** Settings that outlive the visit: theme and compute. */
import { effect, signal } from '@preact/signals';
import type { Compute } from '../data/model.ts';

export type Theme = 'auto' | 'light' | 'dark';

function stored<T extends string>(key: string, allowed: readonly T[]): T {
  try {
    const text = localStorage.getItem(`monosemantic.${key}`);
    return allowed.find(value => value === text) ?? allowed[0]!;
  } catch {
    return allowed[0]!;
  }
}

function store(key: string, value: string): void {
  try {
    localStorage.setItem(`monosemantic.${key}`, value);
  } catch {
    // A page without storage keeps its settings for this visit only.
  }
}

export const THEMES: readonly Theme[] = ['auto', 'light', 'dark'];
export const COMPUTES: readonly Compute[] = ['auto', 'webgpu', 'wasm'];

export const theme = signal<Theme>(stored('theme', THEMES));
export const compute = signal<Compute>(stored('compute', COMPUTES));

const darkQuery = matchMedia('(prefers-color-scheme: dark)');
const systemDark = signal(darkQuery.matches);
darkQuery.addEventListener('change', event => {
  systemDark.value = event.matches;
});

/** True while the page is dark. */
export const dark = signal(false);

effect(() => {
  store('theme', theme.value);
  dark.value = theme.value === 'auto' ? systemDark.value : theme.value === 'dark';
  document.documentElement.dataset['theme'] = dark.value ? 'dark' : 'light';
});
effect(() => store('compute', compute.value));

const motionQuery = matchMedia('(prefers-reduced-motion: reduce)');
/** Whether the person asked the system for less motion: nothing plays by itself then. */
export const reducedMotion = signal(motionQuery.matches);
motionQuery.addEventListener('change', event => {
  reducedMotion.value = event.matches;
});
