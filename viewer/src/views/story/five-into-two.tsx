/** The first scene: the sparser the data, the more features share two dimensions. */
import { signal } from '@preact/signals';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { Figure } from '../../components/figure.tsx';
import { Plane } from '../../components/plane.tsx';
import { Slider } from '../../components/slider.tsx';
import { Term } from '../../components/term.tsx';
import { truthArrows } from '../../data/arrows.ts';
import { featureColour } from '../../data/colours.ts';
import type { Matrix } from '../../data/matching.ts';
import { shown } from '../../data/numbers.ts';
import { plainPlane } from '../../data/plane-basis.ts';
import { manifest } from '../../open/bundled-models.ts';
import { sparseFeatures } from '../../state/rows.ts';
import { reducedMotion } from '../../state/settings.ts';
import { THINGS, thing } from './things.ts';

/** Position of the slider: an index into the sweep. */
export const sweepPosition = signal(0);

/** The length from which a feature's direction counts as stored. */
const STORED = 0.5;
const INPUTS = 12;
/** How many inputs are drawn, of which the first that hold something are shown: with sparse data most hold nothing. */
const DRAWN = 1000;
const GLIDE = 320;
const axes = plainPlane();

/** The directions on their way from one trained model to the next, so that the eye can follow them. */
function useGlide(target: Matrix): Matrix {
  const [now, setNow] = useState(target);
  const current = useRef(target);
  useEffect(() => {
    const from = current.current;
    // The page is drawn once before its models are there: what comes then comes from nowhere.
    if (reducedMotion.value || from.length !== target.length) {
      current.current = target;
      setNow(target);
      return undefined;
    }
    const start = performance.now();
    let frame = 0;
    const tick = (time: number): void => {
      const part = Math.min(1, Math.max(0, (time - start) / GLIDE));
      const eased = part * part * (3 - 2 * part);
      current.current = from.map((row, i) => row.map((value, d) => value + eased * (target[i]![d]! - value)));
      setNow(current.current);
      if (part < 1) frame = requestAnimationFrame(tick);
    };
    frame = requestAnimationFrame(tick);
    return () => cancelAnimationFrame(frame);
  }, [target]);
  return now;
}

/** Inputs from the data, one in each row, with a dot for each thing that is in it. */
function Inputs({ sparsity }: { readonly sparsity: number }) {
  const data = useMemo(() => {
    const drawn = sparseFeatures(DRAWN, THINGS.length, 1 - sparsity, 4).data;
    const rows = Array.from({ length: DRAWN }, (_, i) => drawn.subarray(i * THINGS.length, (i + 1) * THINGS.length));
    return rows.filter(row => row.some(value => value > 0)).slice(0, INPUTS);
  }, [sparsity]);
  return (
    <svg
      width="100%"
      viewBox={`0 0 ${INPUTS * 22 + 62} ${THINGS.length * 22}`}
      role="img"
      aria-label={`${INPUTS} inputs at this sparsity that hold something: a column each, a dot where a thing is present`}
    >
      {THINGS.map((name, i) => (
        <g key={name}>
          <text x="0" y={i * 22 + 15} font-size="12.5" fill="var(--ink)">
            {name}
          </text>
          {Array.from({ length: INPUTS }, (_, j) => {
            const value = data[j]?.[i] ?? 0;
            return (
              <circle
                key={j}
                cx={72 + j * 22}
                cy={i * 22 + 11}
                r={value > 0 ? 3.5 + 4.5 * value : 1.5}
                fill={value > 0 ? featureColour(i, 5) : 'var(--line-strong)'}
              />
            );
          })}
        </g>
      ))}
    </svg>
  );
}

function Told({ stored }: { readonly stored: number }) {
  if (stored <= 2) {
    return (
      <>
        The data are dense: every input holds most things at once. Two things get a{' '}
        <Term id="dimension">dimension</Term> each, at a right angle, and the model gives up on the others. Storing a
        third would disturb the two all the time.
      </>
    );
  }
  if (stored === 3) {
    return (
      <>
        A third thing begins to be stored. It lies across from others that it now meets less often, so the{' '}
        <Term id="interference">interference</Term> costs less than leaving it out.
      </>
    );
  }
  if (stored === 4) {
    return (
      <>
        Four things in two dimensions: two <Term id="digon">digons</Term>. Each pair shares a line and points opposite
        ways. While only one of a pair is present, the sign tells which; both at once would cancel, and that is rare
        now.
      </>
    );
  }
  return (
    <>
      Five directions in two dimensions: a pentagon. No two are at a right angle, yet the model reads most inputs back
      well, because nearly always only one thing is there. This is <Term id="superposition">superposition</Term>.
    </>
  );
}

/** The scene: a slider over the sparsity beside the plane of the five directions. */
export function FiveIntoTwo() {
  const sweep = manifest.value?.sweep;
  const last = (sweep?.sparsities.length ?? 1) - 1;
  const position = Math.min(sweepPosition.value, last);
  const target = sweep?.directions[position] ?? [];
  const directions = useGlide(target);
  if (!sweep) return <div class="panel" style={{ minHeight: '420px' }} aria-busy="true" />;
  const sparsity = sweep.sparsities[position]!;
  const lengths = target.map(row => Math.hypot(...row));
  const stored = lengths.filter(length => length >= STORED).length;
  const arrows = truthArrows(directions, axes);
  const named = arrows.map(arrow => {
    const isLong = Math.hypot(arrow.x, arrow.y) >= STORED / 2;
    return { ...arrow, label: isLong ? thing(arrow.index) : '' };
  });
  return (
    <div class="two scene">
      <Figure
        title="Where the model keeps each thing"
        name={`five-into-two-${sparsity}`}
        note="The two numbers of its hidden layer are a plane; each arrow is a thing’s direction"
        table={() => ({
          columns: ['Feature', 'x', 'y', 'Length'],
          rows: target.map((row, i) => [thing(i), row[0]!, row[1]!, lengths[i]!]),
        })}
      >
        <Plane
          label={`Five directions in the plane at sparsity ${sparsity}: ${stored} are stored`}
          extent={1.46}
          truth={named}
          latents={arrows.map(arrow => ({ ...arrow, label: '' }))}
          largest={440}
        />
      </Figure>
      <div class="stack">
        <section class="panel scene-control" aria-label="Sparsity">
          <div class="spread">
            <h2>
              <Term id="sparsity">Sparsity</Term>: {percentAbsent(sparsity)} of all things are absent
            </h2>
          </div>
          <Slider
            label="Sparsity"
            value={position}
            max={last}
            step={1}
            valueText={`${sparsity}, ${stored} of 5 stored`}
            onInput={value => {
              sweepPosition.value = value;
            }}
          />
          <div class="spread small quiet">
            <span>dense</span>
            <span>sparse</span>
          </div>
          <Inputs sparsity={sparsity} />
          <p class="small quiet">Twelve inputs, a column each; those that hold nothing are left out.</p>
        </section>
        <section class="panel" aria-label="What the model stores">
          <h2 data-test="stored">
            {stored} of 5 <Term id="feature">features</Term> stored
          </h2>
          <p role="status">
            <Told stored={stored} />
          </p>
          <div class="options">
            {lengths.map((length, i) => (
              <div key={thing(i)} class="bar-row stored-row">
                <span class="status">
                  <span class="dot" style={{ '--dot': featureColour(i, 5) }} />
                  {thing(i)}
                </span>
                <span class="bar" style={{ '--bar': featureColour(i, 5) }}>
                  <i style={{ left: 0, width: `${Math.min(100, (100 * length) / 1.2)}%` }} />
                </span>
                <span class="value">{shown(length, 2)}</span>
              </div>
            ))}
          </div>
          <p class="small quiet">
            Each slider stop is a model trained at that sparsity, the best of sixteen starts. The dog matters most to
            it, the clock least.
          </p>
        </section>
      </div>
    </div>
  );
}

const percentAbsent = (sparsity: number): string => `${Math.round(100 * sparsity)}%`;
