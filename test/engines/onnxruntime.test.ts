import { expect } from 'chai';
import { stepGraph } from '../../src/engines/compiled-step.ts';
import { createOnnxRuntimeEngine } from '../../src/engines/onnxruntime.ts';
import { DisposedError, EngineUnavailableError, InvalidShapeError } from '../../src/errors.ts';
import { loadNodeRuntime } from '../../src/sessions/node.ts';
import { itRunsSteps, toyBatches, toyProgram } from './step-runner-contract.ts';

const start = async () => createOnnxRuntimeEngine(await loadNodeRuntime());

describe('onnxruntime, a step a call', () => itRunsSteps(start, 1));
describe('onnxruntime, Scan', () => itRunsSteps(start, 7));
describe('onnxruntime, several threads', () =>
  itRunsSteps(async () => createOnnxRuntimeEngine(await loadNodeRuntime(), { threads: 2 }), 7));

describe('createOnnxRuntimeEngine', () => {
  it('records the step with every entry of its state coming back', () => {
    const program = toyProgram();
    const graph = stepGraph(program);
    expect(graph.inputs.map(({ name }) => name)).to.have.members([...Object.keys(program.state), 'features']);
    const outputs = [...Object.keys(program.state).map(name => `${name}.next`), 'loss'];
    expect(graph.outputs.map(({ name }) => name)).to.have.members(outputs);
  });

  it('says what it runs on', async () => {
    const runner = await (await start()).prepare(toyProgram());
    expect(runner.description).to.deep.equal({ engine: 'onnxruntime', provider: 'cpu', reason: 'asked for' });
    await runner.dispose();
  });

  it('refuses batches of another size, and work after it was disposed of', async () => {
    for (const maxSteps of [1, 4]) {
      const runner = await (await start()).prepare(toyProgram(), { maxSteps });
      const failure = (steps: number, batches: Record<string, Float32Array>) =>
        runner.run(steps, batches).then(
          () => undefined,
          (error: unknown) => error as Error,
        );
      const short = await failure(2, { features: toyBatches(1) });
      expect(short).to.be.instanceOf(InvalidShapeError);
      expect(short!.message).to.equal('2 steps of "features" [8, 5] take 80 numbers, got 40');
      expect((await failure(1, {}))!.message).to.include('got none');
      await runner.dispose();
      await runner.dispose();
      expect(await failure(1, { features: toyBatches(1) })).to.be.instanceOf(DisposedError);
    }
  });

  it('says why a provider is not there', async () => {
    const runtime = await loadNodeRuntime();
    const engine = createOnnxRuntimeEngine(runtime, { provider: 'cuda' });
    const runner = await engine.prepare(toyProgram()).catch((error: unknown) => error);
    if (runner instanceof Error) {
      expect(runner).to.be.instanceOf(EngineUnavailableError);
      expect((runner as EngineUnavailableError).reasons[0]).to.match(/^cuda: /);
    } else await (runner as { dispose(): Promise<void> }).dispose();
  });
});
