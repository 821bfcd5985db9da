/**
 * The story: why five things fit into two numbers, how they can be read back, why a seed can fail, and an invitation to
 * try.
 */
import { Lead } from '../components/lead.tsx';
import { Term } from '../components/term.tsx';
import { scene, view } from '../state/navigation.ts';
import { FiveIntoTwo } from './story/five-into-two.tsx';
import { ReadBack } from './story/read-back.tsx';
import { TwoSeeds } from './story/two-seeds.tsx';

const SCENES = ['Five into two', 'Reading them back', 'Two seeds', 'Try it'] as const;

function Stepper() {
  return (
    <nav aria-label="Scenes" class="stepper">
      <ol>
        {SCENES.map((title, i) => (
          <li key={title}>
            <button
              type="button"
              aria-current={scene.value === i ? 'step' : undefined}
              onClick={() => {
                scene.value = i;
              }}
            >
              <span class="number">{i + 1}</span> {title}
            </button>
          </li>
        ))}
      </ol>
    </nav>
  );
}

function Next() {
  const title = SCENES[scene.value + 1];
  if (!title) return null;
  return (
    <div class="row end">
      <button
        type="button"
        class="button primary"
        onClick={() => {
          scene.value += 1;
          scrollTo({ top: 0 });
        }}
      >
        Next: {title}
      </button>
    </div>
  );
}

const CARDS = [
  { view: 'plane', title: 'Drag a point', text: 'Which latent wins where, and what comes back.' },
  {
    view: 'sample',
    title: 'Hold a latent',
    text: 'Change what the autoencoder says, and see what the model makes of it.',
  },
  { view: 'seeds', title: 'Change the seed', text: 'The same training, sixteen times.' },
  {
    view: 'train',
    title: 'Train one yourself',
    text: 'Here, in seconds: change the sparsity or the seed and see what is found.',
  },
  { view: 'overview', title: 'Look at every latent', text: 'How often each fires, on what, and in which company.' },
] as const;

function TryIt() {
  return (
    <div class="stack">
      <div class="next">
        {CARDS.map(card => (
          <button
            key={card.view}
            type="button"
            onClick={() => {
              view.value = card.view;
            }}
          >
            <strong>{card.title}</strong>
            <span>{card.text}</span>
          </button>
        ))}
        <div class="card">
          <strong>Open your own</strong>
          <span>
            Drop an .onnx file, a SAELens folder, and activations (.npy) anywhere on this page. They stay in this
            browser.
          </span>
        </div>
      </div>
    </div>
  );
}

/** The view that tells the story, one scene at a time. */
export function StoryView() {
  const at = Math.min(scene.value, SCENES.length - 1);
  return (
    <>
      {at === 0 && (
        <Lead title="How five things fit into two numbers">
          A small network sees pictures that may hold five things. It must pass what it saw through two numbers and
          rebuild it. Move the slider: the rarer the things, the more of them share the two numbers. That is{' '}
          <Term id="superposition">superposition</Term>, and large language models do it with millions of features.
        </Lead>
      )}
      {at === 1 && (
        <Lead title="An autoencoder reads them back">
          Two numbers do not show five things. A sparse <Term id="autoencoder">autoencoder</Term> learns to write each
          point down with a few <Term id="latent">latents</Term>, and so finds the directions again.
        </Lead>
      )}
      {at === 2 && (
        <Lead title="The same training, two seeds">
          Both autoencoders learned from the same <Term id="activation">activations</Term> and differ only in their{' '}
          <Term id="seed">seed</Term>. Play their training.
        </Lead>
      )}
      {at === 3 && <Lead title="Try it">Everything here runs in this page, on these models or on yours.</Lead>}
      <Stepper />
      {at === 0 && <FiveIntoTwo />}
      {at === 1 && <ReadBack />}
      {at === 2 && <TwoSeeds />}
      {at === 3 && <TryIt />}
      <Next />
    </>
  );
}
