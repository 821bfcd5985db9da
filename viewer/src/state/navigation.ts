/** Which view is open, and the views there are: to learn, to explore, to train. */
import { signal } from '@preact/signals';

export const VIEW_GROUPS = [
  { title: 'Learn', views: [{ id: 'story', title: 'Story' }] },
  {
    title: 'Explore',
    views: [
      { id: 'overview', title: 'Overview' },
      { id: 'latent', title: 'Latent' },
      { id: 'sample', title: 'Sample' },
      { id: 'text', title: 'Text' },
      { id: 'plane', title: 'Plane' },
      { id: 'matches', title: 'Matches' },
      { id: 'compare', title: 'Compare' },
      { id: 'toy', title: 'Toy model' },
    ],
  },
  {
    title: 'Train',
    views: [
      { id: 'train', title: 'Train' },
      { id: 'training', title: 'History' },
      { id: 'seeds', title: 'Seeds' },
    ],
  },
] as const;

export type ViewId = (typeof VIEW_GROUPS)[number]['views'][number]['id'];

export const view = signal<ViewId>('story');

const IDS: ReadonlySet<string> = new Set(VIEW_GROUPS.flatMap(({ views }) => views.map(({ id }) => id)));

export const isView = (text: string): text is ViewId => IDS.has(text);

/** The scene of the story that is open, from 0. */
export const scene = signal(0);
