/** What training expects of a graphics adapter. */

/** The limits of WebGPU that kernels depend on, with the values that every adapter has by default. */
const DEFAULTS = {
  maxBufferSize: 268_435_456,
  maxStorageBufferBindingSize: 134_217_728,
  maxStorageBuffersPerShaderStage: 8,
  maxUniformBufferBindingSize: 65_536,
  maxComputeWorkgroupStorageSize: 16_384,
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupSizeX: 256,
  maxComputeWorkgroupSizeY: 256,
  maxComputeWorkgroupSizeZ: 64,
  maxComputeWorkgroupsPerDimension: 65_535,
} as const;

const number = (value: number): string => value.toLocaleString('en');

/** What an adapter lacks, as parts of a sentence about it. */
export function lacking({ limits, features }: GPUAdapter): string[] {
  const small = (Object.keys(DEFAULTS) as (keyof typeof DEFAULTS)[]).filter((name) => limits[name] < DEFAULTS[name]);
  const words = small.map((name) => `has ${name} ${number(limits[name])} where ${number(DEFAULTS[name])} is usual`);
  return features.has('timestamp-query') ? words : [...words, 'lacks timestamp-query'];
}
