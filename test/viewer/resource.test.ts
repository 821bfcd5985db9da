import { signal } from '@preact/signals';
import { expect } from 'chai';
import { resource } from '../../viewer/src/state/resource.ts';

/** Lets what is resolved reach those that wait for it. */
const settled = (): Promise<void> => new Promise(resolve => setTimeout(resolve, 0));

describe('the answer of a resource', () => {
  it('is of the present question, whichever answer comes last', async () => {
    const model = signal('first');
    const answers = new Map<string, (answer: string) => void>();
    const value = resource('asking', () => {
      const about = model.value;
      return { about, ask: () => new Promise<string>(resolve => answers.set(about, resolve)) };
    });
    model.value = 'second';
    answers.get('second')!('of the second');
    await settled();
    expect(value.value).to.equal('of the second');
    answers.get('first')!('of the first');
    await settled();
    expect(value.value).to.equal('of the second');
  });

  it('is dropped as soon as the question is about something else, and stays while only the question changes', async () => {
    const model = signal('first');
    const threshold = signal(1);
    const value = resource('asking', () => {
      const [about, asked] = [model.value, threshold.value];
      return { about, ask: () => Promise.resolve(`${about} at ${asked}`) };
    });
    await settled();
    expect(value.value).to.equal('first at 1');
    threshold.value = 2;
    expect(value.value).to.equal('first at 1');
    await settled();
    expect(value.value).to.equal('first at 2');
    model.value = 'second';
    expect(value.value).to.equal(undefined);
    await settled();
    expect(value.value).to.equal('second at 2');
  });
});
