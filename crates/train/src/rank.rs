//! A recipe divided among the ranks of a distributed run.

use parallax_methods::BnKind;
use parallax_ranks::Ranks;

use crate::error::RecipeError;
use crate::recipe::Recipe;

impl Recipe {
    /// BN groups of the batch of all ranks. A rank is a BN group where the recipe does not name several (methods.md 2.3).
    pub fn all_groups(&self, ranks: Ranks) -> usize {
        match self.method.bn_groups {
            1 => ranks.size(),
            groups => groups,
        }
    }

    /// What one rank computes: its part of the batch and of the BN groups.
    #[must_use]
    pub fn of_rank(&self, ranks: Ranks) -> Self {
        let mut own = self.clone();
        own.run.batch_size /= ranks.size();
        own.method.bn_groups = self.all_groups(ranks) / ranks.size();
        own
    }

    /// Whether keys are computed in an order of their own, ShuffleBN (methods.md 3.2): MoCo v1 and v2 with BN groups.
    pub fn shuffles_keys(&self) -> bool {
        let method = self.method.name.spec();
        method.queue && !method.symmetric && self.method.bn == BnKind::PerGroup
    }

    /// Whether batch norm has the statistics of the whole batch, over all ranks.
    pub fn synchronises(&self) -> bool {
        self.method.bn != BnKind::PerGroup
    }

    /// Checks that the batch and its BN groups can be divided among ranks.
    ///
    /// # Errors
    /// Where they cannot; the message says what can.
    pub fn check_ranks(&self, ranks: Ranks) -> Result<(), RecipeError> {
        let (size, batch) = (ranks.size(), self.run.batch_size);
        if size == 1 {
            return Ok(());
        }
        let wrong = |key: &str, reason: String| {
            let key = key.to_string();
            Err(RecipeError::Value { key, reason })
        };
        if !batch.is_multiple_of(size) {
            let near = (batch / size).max(2) * size;
            let reason = format!("= {batch} cannot be divided among {size} ranks; {near} can");
            return wrong("run.batch_size", reason);
        }
        let groups = self.method.bn_groups;
        if groups > 1 && !groups.is_multiple_of(size) {
            let reason = format!(
                "= {groups} cannot be divided among {size} ranks, each of which is one BN group or several; a multiple of \
                 {size} can, and with 1 every rank is one"
            );
            return wrong("method.bn_groups", reason);
        }
        let (own, accumulate) = (self.of_rank(ranks), self.run.accumulate);
        if accumulate > 1 && self.shuffles_keys() {
            let reason = format!(
                "= {accumulate} is not possible here: ShuffleBN deals the keys of a whole batch to the {size} ranks. Use \
                 more ranks, or run.recompute=true, which saves memory, too"
            );
            return wrong("run.accumulate", reason);
        }
        let (images, groups) = (own.run.batch_size, own.method.bn_groups);
        if !images.is_multiple_of(accumulate) {
            let reason = format!("= {accumulate} must divide the {images} images of a rank");
            return wrong("run.accumulate", reason);
        }
        if groups > 1 && !groups.is_multiple_of(accumulate) {
            let reason = format!("= {accumulate} must divide the {groups} BN groups of a rank");
            return wrong("run.accumulate", reason);
        }
        if images / groups.max(accumulate) < 2 {
            let reason = format!(
                "= {batch} leaves a BN group or a micro-batch of the {size} ranks fewer than 2 images"
            );
            return wrong("run.batch_size", reason);
        }
        Ok(())
    }
}
