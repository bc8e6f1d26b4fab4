/** Formats numbers and names. */

export function count(value: number): string {
  return value.toLocaleString('en');
}

export function percent(value: number | null): string {
  return value === null || !Number.isFinite(value) ? '–' : `${value.toFixed(1)} %`;
}

export function rate(value: number): string {
  if (!Number.isFinite(value)) return '–';
  return value >= 100 ? count(Math.round(value)) : value.toPrecision(2);
}

export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '–';
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.round(whole / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function bytes(size: number): string {
  if (size >= 1e9) return `${(size / 1e9).toFixed(1)} GB`;
  return size < 1e6 ? `${Math.ceil(size / 1e3)} kB` : `${(size / 1e6).toFixed(1)} MB`;
}

export const sizeName = (size: string): string => (size ? size[0]?.toUpperCase() + size.slice(1) : 'loaded');

/** `CPU · SIMD`: the kind of device, then its name without the kind. */
export function deviceName(device: 'webgpu' | 'cpu', adapter: string): string {
  const kind = device === 'webgpu' ? 'WebGPU' : 'CPU';
  const name = adapter.replace(/^(WebGPU|CPU)[\s,·:]*/i, '');
  return name ? `${kind} · ${name}` : kind;
}

export function when(iso: string): string {
  return new Date(iso).toLocaleString('en', { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' });
}

/** The first of many names on one line. */
export function few(names: string[], most = 3): string {
  const shown = names.slice(0, most).join(', ');
  return names.length > most ? `${shown} and ${names.length - most} more` : shown;
}
