/** The settings that this browser remembers: the theme, and what models run on. */
import { effect, signal } from '@preact/signals';
import type { Compute } from '../data/model.ts';

/** The person's choice of a theme; 'auto' follows the system. */
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
    // A page without storage keeps its settings until it closes.
  }
}

/** All themes, the default first. */
export const THEMES: readonly Theme[] = ['auto', 'light', 'dark'];
/** Everything that models may be made to run on, the default first. */
export const COMPUTES: readonly Compute[] = ['auto', 'webgpu', 'wasm'];

/** The theme that the person chose. */
export const theme = signal<Theme>(stored('theme', THEMES));
/** What the person chose to run models on. */
export const compute = signal<Compute>(stored('compute', COMPUTES));

const darkQuery = matchMedia('(prefers-color-scheme: dark)');
const systemDark = signal(darkQuery.matches);
darkQuery.addEventListener('change', event => {
  systemDark.value = event.matches;
});

/** Whether the page is shown in the dark theme. */
export const dark = signal(false);

effect(() => {
  store('theme', theme.value);
  dark.value = theme.value === 'auto' ? systemDark.value : theme.value === 'dark';
  document.documentElement.dataset['theme'] = dark.value ? 'dark' : 'light';
});
effect(() => store('compute', compute.value));

const motionQuery = matchMedia('(prefers-reduced-motion: reduce)');
/** Whether the person asked the system for less motion. Nothing plays by itself then. */
export const reducedMotion = signal(motionQuery.matches);
motionQuery.addEventListener('change', event => {
  reducedMotion.value = event.matches;
});
