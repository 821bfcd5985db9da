/** Which view is open. */
import { signal } from '@preact/signals';

export const VIEWS = [
  { id: 'story', title: 'Story', hint: 'Two autoencoders, one found every direction' },
  { id: 'plane', title: 'Plane', hint: 'Activations and directions' },
  { id: 'probe', title: 'Probe', hint: 'Move the inputs' },
  { id: 'matches', title: 'Matches', hint: 'Latents against true directions' },
  { id: 'training', title: 'Training', hint: 'Watch the directions form' },
  { id: 'toy', title: 'Toy model', hint: 'What the toy model stores' },
  { id: 'seeds', title: 'Seeds', hint: 'The same training from other seeds' },
  { id: 'train', title: 'Train', hint: 'Train one here' },
] as const;

export type ViewId = (typeof VIEWS)[number]['id'];

export const view = signal<ViewId>('story');

export const isView = (text: string): text is ViewId => VIEWS.some(({ id }) => id === text);
