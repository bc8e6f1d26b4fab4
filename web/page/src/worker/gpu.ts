/** Inspects the graphics adapter, chooses the device, and watches it. */
import { type AdapterInfo, type DeviceChoice, type DeviceKind, isSoftwareAdapter } from 'parallax-web';
import { adviceFor } from './advice';
import { lacking } from './limits';

async function request(): Promise<GPUAdapter | null> {
  try {
    return await navigator.gpu.requestAdapter();
  } catch {
    // Where the browser refuses, there is no adapter.
    return null;
  }
}

/** The browser's adapter; `loaded` is when the module can be asked about it. */
export async function inspect(loaded: Promise<void>): Promise<AdapterInfo> {
  const adapter = navigator.gpu ? await request() : null;
  if (!adapter) return { kind: 'none', name: '', advice: adviceFor(navigator.userAgent, self.isSecureContext, Boolean(navigator.gpu)) };
  const { info } = adapter;
  const { vendor, architecture, device, description } = info;
  const known = [vendor, architecture, device].filter((part, index, all) => part && all.indexOf(part) === index);
  const name = description || known.join(' ') || 'unnamed adapter';
  const missing = lacking(adapter);
  if (missing.length > 0) return { kind: 'limited', name, advice: missing.join(', ') };
  await loaded;
  const software = isSoftwareAdapter([description, ...known].join(' '), info.isFallbackAdapter);
  return { kind: software ? 'software' : 'hardware', name, advice: '' };
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

let lost: () => void = () => undefined;
/** Resolves when a device is lost. */
const loss = new Promise<true>((resolve) => (lost = () => resolve(true)));

/** Whether a device has been lost, or is within half a second: what waits for it may fail before the browser says so. */
export const isLost = (): Promise<boolean> => Promise.race([loss, new Promise<false>((resolve) => setTimeout(() => resolve(false), 500))]);

/** Reports a lost device or a refused shader of every device that is opened from now on. */
export function watch(report: (trouble: 'lost' | 'gpu', message: string, detail: string) => void): void {
  if (typeof GPUAdapter === 'undefined') return;
  const request = GPUAdapter.prototype.requestDevice;
  GPUAdapter.prototype.requestDevice = async function (this: GPUAdapter, ...options) {
    const device = await request.apply(this, options);
    void device.lost.then((info) => {
      lost();
      report('lost', 'The browser took the graphics device away.', info.message || info.reason);
    });
    device.addEventListener('uncapturederror', (event) =>
      report('gpu', 'The graphics device refused an operation.', (event as GPUUncapturedErrorEvent).error.message),
    );
    return device;
  };
}
