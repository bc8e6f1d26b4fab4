/** A module with one function that passes zeros to `f32x4.relaxed_madd`: valid where the browser has relaxed SIMD. */
const PROBE = Uint8Array.of(
  ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
  ...[1, 5, 1, 0x60, 0, 1, 0x7b], // type: () -> v128
  ...[3, 2, 1, 0], // one function of that type
  ...[10, 19, 1, 17, 0], // its body, without locals
  ...[0x41, 0, 0xfd, 15, 0x41, 0, 0xfd, 15, 0x41, 0, 0xfd, 15], // i32.const 0, i8x16.splat, three times
  ...[0xfd, 0x85, 2, 0x0b],
);

/** Whether the browser runs the module's file with relaxed SIMD. */
export const hasRelaxedSimd = (): boolean => WebAssembly.validate(PROBE);
