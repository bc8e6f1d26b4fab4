/** How to get WebGPU in the visitor's browser, in one or two sentences. */

export function adviceFor(agent: string, secure: boolean, hasApi: boolean): string {
  if (!secure) return 'WebGPU needs an https address or localhost.';
  if (hasApi) return 'The browser found no usable graphics adapter: look whether graphics acceleration is on in its settings.';
  if (/Firefox\//.test(agent)) {
    return /Windows/.test(agent)
      ? 'Firefox has WebGPU on Windows from version 141.'
      : 'Firefox has WebGPU on Windows (141 and newer) and on newer Macs; elsewhere, try Chrome or Edge.';
  }
  if (/Chrome\//.test(agent)) {
    if (/Android/.test(agent)) return 'Chrome has WebGPU on Android 12 and newer, from version 121.';
    return /Linux|X11/.test(agent)
      ? 'On Linux, switch on chrome://flags/#enable-unsafe-webgpu, or try a newer version.'
      : 'Chrome and Edge have WebGPU from version 113.';
  }
  if (/Safari\//.test(agent)) return 'Safari has WebGPU from version 26; in 18, it can be switched on under Feature Flags.';
  return 'Current versions of Chrome, Edge, Safari and, on Windows, Firefox have WebGPU.';
}
