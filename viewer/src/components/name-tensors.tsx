/** The form in which the person names the tensors of a file that leaves them open. */
import { useState } from 'preact/hooks';
import type { SaeNames } from '../../../src/inference/model-options.ts';
import { openByNames, type Unnamed, unnamed } from '../open/name-tensors.ts';
import type { Candidate } from '../workers/inference-api.ts';

type Role = Exclude<keyof SaeNames, 'kind'>;

interface ChoiceProps {
  readonly title: string;
  readonly from: readonly Candidate[];
  readonly value: string;
  readonly onChange: (name: string) => void;
}

function Choice({ title, from, value, onChange }: ChoiceProps) {
  return (
    <label class="field">
      <span>{title}</span>
      <select value={value} onChange={event => onChange(event.currentTarget.value)}>
        <option value="">find it by itself</option>
        {from.map(({ name, shape }) => (
          <option key={name} value={name}>
            {name} {shape}
          </option>
        ))}
      </select>
    </label>
  );
}

function Form({ asked }: { readonly asked: Unnamed }) {
  const { inputs, computed, matrices } = asked.candidates;
  const [names, setNames] = useState<Partial<Record<Role, string>>>({});
  const choice = (role: Role, title: string, from: readonly Candidate[]) => (
    <Choice
      title={title}
      from={from}
      value={names[role] ?? ''}
      onChange={name => setNames(before => ({ ...before, [role]: name }))}
    />
  );
  return (
    <form
      class="panel name-tensors"
      aria-label="Which tensor is what"
      onSubmit={event => {
        event.preventDefault();
        const given = Object.entries(names).filter(([, name]) => name !== '');
        void openByNames(asked, Object.fromEntries(given) as SaeNames);
      }}
    >
      <h2>Which tensor is what in {asked.group.name}?</h2>
      <p class="small quiet">
        The file does not say so, and more than one reading is possible. An autoencoder reads activations, gives
        features, and decodes them into a reconstruction.
      </p>
      <div class="form">
        {choice('input', 'Activations', inputs)}
        {choice('features', 'Features', computed)}
        {choice('reconstruction', 'Reconstruction', computed)}
        {choice('featureDirections', 'Decoder', matrices)}
      </div>
      <div class="row">
        <button type="submit" class="button primary">
          Open it so
        </button>
        <button
          type="button"
          class="button plain"
          onClick={() => {
            unnamed.value = undefined;
          }}
        >
          Leave it
        </button>
      </div>
    </form>
  );
}

/** The form, while a file that was opened waits for an answer; otherwise nothing. */
export function NameTensors() {
  const asked = unnamed.value;
  return asked ? <Form key={asked.group.name} asked={asked} /> : null;
}
