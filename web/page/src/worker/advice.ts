/** How to enable WebGPU in the visitor's browser. */

export function adviceFor(agent: string, secure: boolean, hasApi: boolean): string {
  if (!secure) return 'WebGPU requires https or localhost.';
  if (hasApi) return 'The browser found no usable graphics adapter: check that graphics acceleration is enabled in its settings.';
  if (/Firefox\//.test(agent)) {
    return /Windows/.test(agent)
      ? 'Firefox supports WebGPU on Windows from version 141.'
      : 'Firefox supports WebGPU on Windows (141 and newer) and on newer Macs; elsewhere, try Chrome or Edge.';
  }
  if (/Chrome\//.test(agent)) {
    if (/Android/.test(agent)) return 'Chrome supports WebGPU on Android 12 and newer, from version 121.';
    return /Linux|X11/.test(agent)
      ? 'On Linux, enable chrome://flags/#enable-unsafe-webgpu, or try a newer version.'
      : 'Chrome and Edge support WebGPU from version 113.';
  }
  if (/Safari\//.test(agent)) return 'Safari supports WebGPU from version 26; in 18, it can be enabled under Feature Flags.';
  return 'Current versions of Chrome, Edge, Safari and, on Windows, Firefox support WebGPU.';
}
