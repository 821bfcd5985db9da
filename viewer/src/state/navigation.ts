/** The views of the page in their three groups, and which of them is open. */
import { signal } from '@preact/signals';

/** The groups of views: to learn, to explore, to train. */
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

/** The name of a view, which is also its name in an address. */
export type ViewId = (typeof VIEW_GROUPS)[number]['views'][number]['id'];

/** The view that is open. */
export const view = signal<ViewId>('story');

const IDS: ReadonlySet<string> = new Set(VIEW_GROUPS.flatMap(({ views }) => views.map(({ id }) => id)));

/** Whether `text` is the name of a view. */
export const isView = (text: string): text is ViewId => IDS.has(text);

/** The scene of the story that is open, from 0. */
export const scene = signal(0);
