/** Inspects the graphics adapter, chooses the device, and hears of its loss. */
import { type AdapterInfo, type DeviceChoice, type DeviceKind, type DeviceTrouble, inspectAdapter, watchDevice } from 'parallax-web';
import { adviceFor } from './advice';

/** The browser's adapter. */
export async function inspect(): Promise<AdapterInfo> {
  const found = await inspectAdapter();
  const here = Boolean((navigator as Partial<Navigator>).gpu);
  return found.kind === 'none' ? { ...found, advice: adviceFor(navigator.userAgent, self.isSecureContext, here) } : found;
}

export interface Choice {
  device: DeviceKind;
  /** Told to the visitor. */
  reason: string;
  /** A software adapter: every pass over the data takes long. */
  slow?: boolean;
}

export function choose(choice: DeviceChoice, gpu: AdapterInfo): Choice {
  if (choice === 'cpu') return { device: 'cpu', reason: 'You chose the CPU.' };
  switch (gpu.kind) {
    case 'none':
      return { device: 'cpu', reason: `No WebGPU here, so training runs on the CPU (WebAssembly SIMD). ${gpu.advice}` };
    case 'limited':
      return choice === 'webgpu'
        ? { device: 'webgpu', reason: `You chose WebGPU, though the graphics adapter (${gpu.name}) ${gpu.advice}.` }
        : { device: 'cpu', reason: `The graphics adapter (${gpu.name}) ${gpu.advice}, so training runs on the CPU.` };
    case 'software':
      return choice === 'webgpu'
        ? { device: 'webgpu', reason: 'You chose WebGPU. This is a software adapter: a step can take many seconds.', slow: true }
        : {
            device: 'cpu',
            reason: `The only WebGPU adapter here is a software adapter (${gpu.name}). The CPU is about 50 times faster, so training runs there.`,
          };
    case 'hardware':
      return { device: 'webgpu', reason: choice === 'webgpu' ? 'You chose WebGPU.' : 'A hardware adapter is the fastest device here.' };
  }
}

/** How long what fails may be ahead of the browser's word that the device is lost, in milliseconds. */
const AHEAD = 500;
/** After a loss, how long what waits for the device may go on waiting: the device may still be busy. */
const BEHIND = 500;

let told: (reason: string) => void = () => undefined;
let loss = new Promise<string>((resolve) => (told = resolve));

const after = (milliseconds: number): Promise<null> => new Promise((resolve) => setTimeout(() => resolve(null), milliseconds));

/** Why the device was lost, or null where it was not. */
export const lossOf = (): Promise<string | null> => Promise.race([loss, after(AHEAD)]);

/** Another device takes the place of the lost one. */
export function forgetLoss(): void {
  loss = new Promise((resolve) => (told = resolve));
}

const waiting = new Set<(problem: Error) => void>();

/** Work on the device; fails where it does not end after a loss. */
export async function unlessLost<T>(work: Promise<T>): Promise<T> {
  let fail: (problem: Error) => void = () => undefined;
  const hung = new Promise<never>((_, reject) => (fail = reject));
  waiting.add(fail);
  try {
    return await Promise.race([work, hung]);
  } finally {
    waiting.delete(fail);
  }
}

function lost(reason: string): void {
  told(reason);
  const problem = new Error(`The graphics device was lost: ${reason}`);
  const now = [...waiting];
  void after(BEHIND).then(() => now.forEach((fail) => fail(problem)));
}

/** What trouble with the device says to the visitor. */
export const troubleWords = (trouble: DeviceTrouble): string =>
  trouble === 'lost' ? 'The browser took the graphics device away.' : 'The graphics device refused an operation.';

/** Hears of the trouble of every device that is opened from now on. */
export function watch(report: (trouble: DeviceTrouble, reason: string) => void): void {
  watchDevice((trouble, reason) => {
    if (trouble === 'lost') lost(reason);
    report(trouble, reason);
  });
}
