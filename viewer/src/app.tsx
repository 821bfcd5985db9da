/** The page: the rail, the notices, and the view that is open. Files may be dropped anywhere on it. */
import { signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { Notices } from './components/notices.tsx';
import { Rail } from './components/rail.tsx';
import { Settings } from './components/settings.tsx';
import { Share } from './components/share.tsx';
import { droppedFiles } from './open/dropped-files.ts';
import { openFiles } from './open/open-files.ts';
import { scene, type ViewId, view } from './state/navigation.ts';
import { fail } from './state/notices.ts';
import { selectedLatent } from './state/selection.ts';
import { CompareView } from './views/compare.tsx';
import { LatentView } from './views/latent.tsx';
import { MatchesView } from './views/matches.tsx';
import { OverviewView } from './views/overview.tsx';
import { PlaneView } from './views/plane.tsx';
import { SampleView } from './views/sample.tsx';
import { SeedsView } from './views/seeds.tsx';
import { StoryView } from './views/story.tsx';
import { TextView } from './views/text.tsx';
import { ToyModelView } from './views/toy-model.tsx';
import { TrainView } from './views/train.tsx';
import { TrainingView } from './views/training.tsx';

const VIEWS: Record<ViewId, () => preact.JSX.Element> = {
  story: StoryView,
  overview: OverviewView,
  latent: LatentView,
  sample: SampleView,
  text: TextView,
  plane: PlaneView,
  matches: MatchesView,
  compare: CompareView,
  toy: ToyModelView,
  train: TrainView,
  training: TrainingView,
  seeds: SeedsView,
};

const dragging = signal(false);

function useDrop(): void {
  useEffect(() => {
    const over = (event: DragEvent): void => {
      if (!event.dataTransfer?.types.includes('Files')) return;
      event.preventDefault();
      dragging.value = true;
    };
    const leave = (event: DragEvent): void => {
      if (event.relatedTarget === null) dragging.value = false;
    };
    const drop = (event: DragEvent): void => {
      event.preventDefault();
      dragging.value = false;
      if (!event.dataTransfer) return;
      droppedFiles(event.dataTransfer)
        .then(openFiles)
        .catch(error => fail('What was dropped could not be read', error));
    };
    addEventListener('dragover', over);
    addEventListener('dragleave', leave);
    addEventListener('drop', drop);
    return () => {
      removeEventListener('dragover', over);
      removeEventListener('dragleave', leave);
      removeEventListener('drop', drop);
    };
  }, []);
}

/**
 * Moves the focus to the heading when the element that had it is gone with the page it was on, so that a keyboard or a
 * screen reader goes on from the new page and not from nowhere.
 */
function useFocusOnHeading(): void {
  const last = useRef<Element | null>(null);
  useEffect(() => {
    const remember = ({ target }: FocusEvent): void => {
      last.current = target as Element;
    };
    addEventListener('focusin', remember);
    return () => removeEventListener('focusin', remember);
  }, []);
  useEffect(() => {
    if (!last.current || last.current.isConnected || document.activeElement !== document.body) return;
    document.querySelector<HTMLElement>('main h1')?.focus();
  }, [view.value, scene.value, selectedLatent.value]);
}

/** The whole page. */
export function App() {
  useDrop();
  useFocusOnHeading();
  const View = VIEWS[view.value];
  return (
    <div class="app">
      <button type="button" class="skip" onClick={() => document.querySelector<HTMLElement>('main h1')?.focus()}>
        Skip to the page
      </button>
      <Rail />
      <main id="main">
        <Notices />
        <View />
      </main>
      {dragging.value && <div class="drop">Drop models, activations, labels, or a SAELens folder</div>}
      <Settings />
      <Share />
    </div>
  );
}
