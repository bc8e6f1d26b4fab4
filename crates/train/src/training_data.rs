//! What a recipe trains on, of a data set.

use std::sync::Arc;

use parallax_data::taxonomy::Grouped;
use parallax_data::{Source, Subset};

use crate::error::{RecipeError, RunError};
use crate::recipe::Recipe;

impl Recipe {
    /// The part of `all` training images that the recipe trains on: those of the chosen classes (`data.class_ratio`), of these
    /// the chosen ones (`data.image_ratio`), with the groups of `data.taxonomy` as targets. Evaluation stays on `all`.
    ///
    /// # Errors
    /// When too few images are left, or the taxonomy does not match the classes.
    pub fn training_data(&self, all: &Arc<dyn Source>) -> Result<Arc<dyn Source>, RunError> {
        let seed = self.run.seed;
        let mut part = Arc::clone(all);
        if self.data.class_ratio < 1.0 {
            part = Arc::new(Subset::of_classes(part, self.data.class_ratio, seed)?);
        }
        if self.data.image_ratio < 1.0 {
            part = Arc::new(Subset::of_images(part, self.data.image_ratio, seed)?);
        }
        if let Some(map) = self.data.taxonomy.groups()? {
            let grouped = Grouped::new(part, map, all.classes());
            part = Arc::new(grouped.map_err(RecipeError::from)?);
        }
        Ok(part)
    }
}
