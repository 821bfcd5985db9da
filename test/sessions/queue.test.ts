import { expect } from 'chai';
import { DisposedError } from '../../src/errors.ts';
import { Queue } from '../../src/sessions/queue.ts';

describe('Queue', () => {
  it('starts a task at once where none is under way, in the very call', () => {
    let started = false;
    new Queue().add(async () => {
      started = true;
    });
    expect(started).to.equal(true);
  });

  it('runs tasks one at a time in the order of the calls, and starts at once again when all are done', async () => {
    const queue = new Queue();
    const events: string[] = [];
    const task = (name: string) => async () => {
      events.push(`${name} begins`);
      await new Promise(resolve => setTimeout(resolve, 5));
      events.push(`${name} ends`);
      return name;
    };
    expect(await Promise.all([queue.add(task('a')), queue.add(task('b')), queue.add(task('c'))])).to.deep.equal([
      'a',
      'b',
      'c',
    ]);
    expect(events).to.deep.equal(['a', 'b', 'c'].flatMap(name => [`${name} begins`, `${name} ends`]));
    await queue.idle();
    queue.add(task('d'));
    expect(events.at(-1)).to.equal('d begins');
  });

  it('once closed finishes what it has, refuses the rest, and says whether it was closed before', async () => {
    const queue = new Queue();
    let done = false;
    const last = queue.add(async () => {
      await new Promise(resolve => setTimeout(resolve, 5));
      done = true;
    });
    const closing = queue.close('the step is gone');
    const refused = await queue.add(async () => 'late').catch((error: unknown) => error);
    expect(refused).to.be.instanceOf(DisposedError);
    expect((refused as Error).message).to.equal('the step is gone');
    expect(await queue.close('again')).to.equal(false);
    expect(await closing).to.equal(true);
    expect(done).to.equal(true);
    await last;
  });

  it('goes on after a task that failed, which fails alone', async () => {
    const queue = new Queue();
    const failing = queue.add(() => Promise.reject(new Error('no')));
    const next = queue.add(async () => 'yes');
    expect(await failing.catch((error: Error) => error.message)).to.equal('no');
    expect(await next).to.equal('yes');
    await queue.idle();
  });
});
