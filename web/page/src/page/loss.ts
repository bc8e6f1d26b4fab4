/** Where a run goes on after its graphics device was lost: on a new one, or on the CPU where losses come often. */
import type { DeviceChoice } from 'parallax-web';

const OFTEN = 2;
const WITHIN = 5 * 60_000;

let losses: number[] = [];

export function deviceAfterLoss(): DeviceChoice {
  const now = performance.now();
  losses = [...losses.filter((time) => now - time < WITHIN), now];
  return losses.length > OFTEN ? 'cpu' : 'webgpu';
}
