/** Looks at the graphics adapter, chooses the device, and watches it. */
import type { Device } from '../module';
import type { DeviceWish, Gpu } from '../protocol';
import { adviceFor } from './advice';

const SOFTWARE = /swiftshader|llvmpipe|lavapipe|basic render|software/i;

export async function inspect(): Promise<Gpu> {
  if (!navigator.gpu) return { kind: 'none', name: '', advice: adviceFor(navigator.userAgent, self.isSecureContext, false) };
  let adapter: GPUAdapter | null = null;
  try {
    adapter = await navigator.gpu.requestAdapter();
  } catch {
    // A browser that refuses to look has no adapter for us.
  }
  if (!adapter) return { kind: 'none', name: '', advice: adviceFor(navigator.userAgent, self.isSecureContext, true) };
  const { vendor, architecture, device, description } = adapter.info;
  const known = [vendor, architecture, device].filter((part, index, all) => part && all.indexOf(part) === index);
  const name = description || known.join(' ') || 'unnamed adapter';
  const software = adapter.info.isFallbackAdapter || SOFTWARE.test([name, vendor, architecture, device].join(' '));
  return { kind: software ? 'software' : 'hardware', name, advice: '' };
}

export interface Choice {
  device: Device;
  /** Told to the visitor. */
  reason: string;
  /** WebGPU in software: every pass over the pictures takes long. */
  slow?: boolean;
}

export function choose(wish: DeviceWish, gpu: Gpu): Choice {
  if (wish === 'cpu') return { device: 'cpu', reason: 'You chose the CPU.' };
  switch (gpu.kind) {
    case 'none':
      return { device: 'cpu', reason: `No WebGPU here, so training runs on the CPU (WebAssembly SIMD). ${gpu.advice}` };
    case 'software':
      return wish === 'webgpu'
        ? { device: 'webgpu', reason: 'You chose WebGPU. This adapter is software: a step can take many seconds.', slow: true }
        : {
            device: 'cpu',
            reason: `The only WebGPU adapter here is software (${gpu.name}). The CPU is about 50 times faster, so training runs there.`,
          };
    case 'hardware':
      return { device: 'webgpu', reason: wish === 'webgpu' ? 'You chose WebGPU.' : 'WebGPU on real hardware is the fastest here.' };
  }
}

/** Reports a lost device or a refused shader of every device that is opened from now on. */
export function watch(report: (message: string, detail: string) => void): void {
  if (typeof GPUAdapter === 'undefined') return;
  const request = GPUAdapter.prototype.requestDevice;
  GPUAdapter.prototype.requestDevice = async function (this: GPUAdapter, ...wanted) {
    const device = await request.apply(this, wanted);
    void device.lost.then((info) => report('The browser took the graphics device away.', info.message || info.reason));
    device.addEventListener('uncapturederror', (event) =>
      report('The graphics device refused an operation.', (event as GPUUncapturedErrorEvent).error.message),
    );
    return device;
  };
}
