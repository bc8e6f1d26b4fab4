/** The worker that measures: the module's benchmarks, asked by the page. */
import type { BenchCommand, BenchEvent } from '../bench';
import type { BenchViewLine } from '../module';
import { load, web } from './web';

const say = (event: BenchEvent): void => self.postMessage(event);
const fail = (problem: unknown): void => say({ type: 'error', message: problem instanceof Error ? problem.message : String(problem) });

async function take(command: BenchCommand): Promise<void> {
  const { width, size, batch } = command.setting;
  if (command.type === 'plan') return say({ type: 'plan', ...web.benchPlan(width, size, batch) });
  if (command.type === 'kernels') {
    const line = (found: Parameters<Parameters<typeof web.benchKernels>[5]>[0]): void => say({ type: 'line', line: found });
    return say({ type: 'kernels', ...(await web.benchKernels(command.device, width, size, batch, command.seconds, line)) });
  }
  if (command.type === 'view-plan') return say({ type: 'view-plan', plan: web.benchViewPlan(size, batch) });
  if (command.type === 'views') {
    const line = (found: BenchViewLine): void => say({ type: 'view', line: found });
    return say({ type: 'views', ...(await web.benchViews(command.device, size, batch, command.seconds, line)) });
  }
  const told = (step: number, seconds: number): void => say({ type: 'state', text: `step ${step}: ${(1e3 * seconds).toFixed(1)} ms` });
  const { adapter, seconds, cells } = await web.benchStep(command.device, width, size, batch, command.steps, told);
  say({ type: 'step', adapter, seconds, cells });
}

async function boot(): Promise<void> {
  self.addEventListener('unhandledrejection', (event) => {
    event.preventDefault();
    fail(event.reason);
  });
  // Commands that arrive early wait for the module.
  const loaded = load((megabytes) => say({ type: 'state', text: `loading the program, ${megabytes.toFixed(0)} MB` }));
  loaded.catch(fail);
  let last: Promise<void> = loaded;
  self.addEventListener('message', (event: MessageEvent<BenchCommand>) => {
    last = last.then(() => take(event.data).catch(fail));
  });
}

void boot();
