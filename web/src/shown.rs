//! What a run shows of its images.

use tsify::{Ts, Tsify};
use wasm_bindgen::prelude::*;

use crate::data::{Data, texts};
use crate::run::WebRun;
use crate::types::{QueuedImage, ViewPair};

#[wasm_bindgen(js_class = Run)]
impl WebRun {
    /// The images, for another run: they are not copied.
    #[wasm_bindgen(getter)]
    pub fn data(&self) -> Data {
        Data::of(self.sources())
    }

    /// The first `count` images of the next step's batch with their views.
    pub fn views(&self, count: usize) -> Result<Vec<Ts<ViewPair>>, JsError> {
        let shown = self.loader.preview(self.run.step_index(), count)?;
        let pairs = shown.iter().map(|shown| {
            let [(first, first_ops), (second, second_ops)] = &shown.views;
            let pair = ViewPair {
                index: shown.index,
                source: (&shown.source).into(),
                views: [first.into(), second.into()],
                ops: [texts(first_ops), texts(second_ops)],
            };
            pair.into_ts()
        });
        Ok(pairs.collect::<Result<_, _>>()?)
    }

    /// Images whose keys are in the queue, from the newest to the oldest, `count` of them in even distances. Empty for a method
    /// without a queue.
    #[wasm_bindgen(unchecked_return_type = "QueuedImage[]")]
    pub fn queue(&self, count: usize) -> Result<JsValue, JsError> {
        let recipe = self.run.recipe();
        let (keys, batch) = (recipe.method.queue, recipe.run.batch_size as u64);
        let shown = match recipe.method.name.spec().queue {
            true => count.min(keys),
            false => 0,
        };
        let source = self.loader.source();
        let tiles = (0..shown).map(|tile| {
            let key = (tile * keys / shown.max(1)) as u64;
            let (age, place) = (key / batch, (key % batch) as usize);
            // The step whose batch holds the key's image; the initial keys have none.
            let step = self.run.step_index().checked_sub(age + 1);
            let index = step.and_then(|step| self.loader.indices(step).nth(place));
            let image = index
                .map(|index| source.image(index as usize))
                .transpose()?;
            Ok::<_, JsError>(QueuedImage {
                age: index.map(|_| age),
                image: image.map(|image| (&*image).into()),
            })
        });
        let tiles = tiles.collect::<Result<Vec<_>, _>>()?;
        Ok(serde_wasm_bindgen::to_value(&tiles)?)
    }
}
