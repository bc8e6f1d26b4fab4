/** Where a run goes on after its graphics device was lost: on a new one, or on the CPU where that is of no use. */
import type { DeviceChoice } from 'parallax-web';

const OFTEN = 2;
const WITHIN = 5 * 60_000;

let losses: number[] = [];
/** Losses since the last step. */
let fruitless = 0;

export function stepDone(): void {
  fruitless = 0;
}

/** Whoever chose WebGPU keeps it while there are steps between the losses; otherwise the CPU takes over where they come often. */
export function deviceAfterLoss(chosen: DeviceChoice): DeviceChoice {
  const now = performance.now();
  losses = [...losses.filter((time) => now - time < WITHIN), now];
  fruitless++;
  return (chosen === 'webgpu' ? fruitless : losses.length) > OFTEN ? 'cpu' : 'webgpu';
}
