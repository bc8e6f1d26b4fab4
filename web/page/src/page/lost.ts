/** The message about lost graphics devices, one for all losses of a run. */
import type { DeviceKind } from 'parallax-web';
import { post } from './notices';

let losses = 0;
let remove = (): void => undefined;

/** A run begins. */
export function noLosses(): void {
  losses = 0;
}

/** The run goes on from a step, on another device. */
export function tellOfLoss(step: number, device: DeviceKind, detail: string): void {
  remove();
  losses++;
  const times = losses === 1 ? '' : ` ${losses} times`;
  const where = device === 'cpu' ? 'on the CPU, because it has happened often' : 'on a new device';
  remove = post({ kind: 'info', title: `The graphics device was lost${times}`, text: `The run goes on by itself from step ${step}, ${where}.`, detail });
}
