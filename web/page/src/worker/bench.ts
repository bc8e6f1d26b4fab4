/** The worker that runs the module's benchmarks. */
import { type BenchCommand, type BenchEvent, benchKernels, benchPlan, benchStep, benchViewPlan, benchViews } from 'parallax-web';
import { load, loadProblem } from './web';

const say = (event: BenchEvent): void => self.postMessage(event);
const fail = (problem: unknown): void => say({ type: 'error', message: problem instanceof Error ? problem.message : String(problem) });

async function take(command: BenchCommand): Promise<void> {
  const { width, size, batch } = command.setting;
  switch (command.type) {
    case 'plan':
      return say({ type: 'plan', ...benchPlan(width, size, batch) });
    case 'kernels':
      return say({ type: 'kernels', ...(await benchKernels(command.device, width, size, batch, command.seconds, (line) => say({ type: 'line', line }))) });
    case 'view-plan':
      return say({ type: 'view-plan', plan: benchViewPlan(size, batch) });
    case 'views':
      return say({ type: 'views', ...(await benchViews(command.device, size, batch, command.seconds, (line) => say({ type: 'view', line }))) });
    case 'step': {
      const told = (step: number, seconds: number): void => say({ type: 'state', text: `step ${step}: ${(1e3 * seconds).toFixed(1)} ms` });
      return say({ type: 'step', ...(await benchStep(command.device, width, size, batch, command.steps, told)) });
    }
  }
}

async function boot(): Promise<void> {
  self.addEventListener('unhandledrejection', (event) => {
    event.preventDefault();
    fail(event.reason);
  });
  // Commands that arrive early wait for the module.
  let last = load((megabytes) => say({ type: 'state', text: `loading the program, ${megabytes.toFixed(0)} MB` }));
  last.catch((problem: unknown) => fail(loadProblem(problem)));
  self.addEventListener('message', (event: MessageEvent<BenchCommand>) => {
    last = last.then(() => take(event.data).catch(fail));
  });
}

void boot();
