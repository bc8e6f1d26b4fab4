/** Stands in for the WASM module's own declarations where `web/pkg` is not built. */
import type { Augmenter as AnyAugmenter, Data as AnyData, ParallaxWeb, Run as AnyRun } from '../module';

declare const init: ParallaxWeb['default'];
export default init;
export const recipe: ParallaxWeb['recipe'];
export const Data: ParallaxWeb['Data'];
export type Data = AnyData;
export const Run: ParallaxWeb['Run'];
export type Run = AnyRun;
export const evaluate: ParallaxWeb['evaluate'];
export const pipelines: ParallaxWeb['pipelines'];
export const Augmenter: ParallaxWeb['Augmenter'];
export type Augmenter = AnyAugmenter;
export const benchPlan: ParallaxWeb['benchPlan'];
export const benchKernels: ParallaxWeb['benchKernels'];
export const benchStep: ParallaxWeb['benchStep'];
export const benchViewPlan: ParallaxWeb['benchViewPlan'];
export const benchViews: ParallaxWeb['benchViews'];
