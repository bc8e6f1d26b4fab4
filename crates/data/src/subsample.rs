//! Which classes or images a share of a data set consists of (methods.md 8.1).

use parallax_rng::{Stream, permutation};

use crate::error::DataError;

/// How many of `all` a ratio keeps: `round(ratio * all)`, at least one.
fn kept(all: usize, ratio: f64) -> Result<usize, DataError> {
    if !(ratio > 0.0 && ratio <= 1.0) {
        return Err(DataError::Ratio { ratio });
    }
    Ok(((all as f64 * ratio).round() as usize).max(1))
}

/// A random permutation of `0..count`; `number` distinguishes those of one seed.
fn shuffled(seed: u64, number: u32, count: usize) -> Vec<u32> {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    permutation(seed, Stream::Subset, number, count)
}

/// The classes that a ratio keeps, ascending: the first `round(ratio * classes)`, at least one, of a random permutation of all
/// classes that depends on the seed alone. The classes of a smaller ratio are therefore a subset of those of a larger one.
///
/// # Errors
/// When the ratio is not in (0, 1].
pub fn chosen_classes(classes: usize, ratio: f64, seed: u64) -> Result<Vec<usize>, DataError> {
    let keep = kept(classes, ratio)?;
    let mut chosen: Vec<usize> = shuffled(seed, 0, classes)
        .into_iter()
        .take(keep)
        .map(|class| class as usize)
        .collect();
    chosen.sort_unstable();
    Ok(chosen)
}

/// The images that a ratio keeps, ascending: `round(ratio * images)`, at least one, of those with the class labels `labels`,
/// which are below `classes`.
///
/// Each class is permuted at random, depending on the seed alone, and all images are ordered by (rank in its class, from 0) /
/// (images of its class); the first ones are kept. So classes keep their proportions, none is lost while there are as many
/// kept images as classes, and the images of a smaller ratio are a subset of those of a larger one.
///
/// # Errors
/// When the ratio is not in (0, 1].
pub fn chosen_images(
    labels: &[u32],
    classes: usize,
    ratio: f64,
    seed: u64,
) -> Result<Vec<usize>, DataError> {
    let keep = kept(labels.len(), ratio)?;
    let mut members = vec![Vec::new(); classes];
    for (index, &label) in labels.iter().enumerate() {
        // Sources refuse labels that are no class, so no image is left out.
        if let Some(members) = members.get_mut(label as usize) {
            members.push(index);
        }
    }
    // Where classes are of equal size, the random order of the classes decides which of them keep an image more.
    let mut ranked: Vec<(u64, u64, usize)> = Vec::with_capacity(labels.len());
    for class in shuffled(seed, 0, classes) {
        let members = &members[class as usize];
        let order = shuffled(seed, 1 + class, members.len());
        ranked.extend(
            order
                .into_iter()
                .zip(0u64..)
                .map(|(member, rank)| (rank, members.len() as u64, members[member as usize])),
        );
    }
    // rank / size as whole numbers: both are below 2^31.
    ranked.sort_by(|a, b| (a.0 * b.1).cmp(&(b.0 * a.1)));
    let mut chosen: Vec<usize> = ranked
        .into_iter()
        .take(keep)
        .map(|(_, _, index)| index)
        .collect();
    chosen.sort_unstable();
    Ok(chosen)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const RATIOS: [f64; 5] = [0.1, 0.2, 0.5, 0.7, 1.0];

    fn nested(chosen: &[Vec<usize>]) -> bool {
        let within = |pair: &[Vec<usize>]| pair[0].iter().all(|item| pair[1].contains(item));
        chosen.windows(2).all(within)
    }

    #[test]
    fn classes_of_smaller_ratios_are_within_those_of_larger_ones() {
        let chosen = RATIOS.map(|ratio| chosen_classes(1000, ratio, 4).unwrap());
        assert_eq!(chosen.each_ref().map(Vec::len), [100, 200, 500, 700, 1000]);
        assert!(nested(&chosen));
        assert_ne!(chosen[0], chosen_classes(1000, 0.1, 5).unwrap());
        assert_eq!(chosen_classes(3, 0.01, 0).unwrap().len(), 1);
    }

    #[test]
    fn images_of_smaller_ratios_are_within_those_of_larger_ones() {
        // Classes of 400, 100 and 10 images, mixed.
        let labels: Vec<u32> = (0..510u32)
            .map(|i| u32::from(i % 5 == 0) + u32::from(i % 51 == 0))
            .collect();
        let size = |class| labels.iter().filter(|&&label| label == class).count();
        let chosen = RATIOS.map(|ratio| chosen_images(&labels, 3, ratio, 4).unwrap());
        assert_eq!(chosen.each_ref().map(Vec::len), [51, 102, 255, 357, 510]);
        assert!(nested(&chosen));
        for (ratio, chosen) in RATIOS.into_iter().zip(&chosen) {
            assert!(chosen.is_sorted());
            for class in 0..3 {
                let kept = chosen.iter().filter(|&&index| labels[index] == class);
                let share = ratio * size(class) as f64;
                assert!((kept.count() as f64 - share).abs() < 2.0, "{ratio} {class}");
            }
        }
        assert_ne!(chosen[0], chosen_images(&labels, 3, 0.1, 5).unwrap());
    }

    #[test]
    fn as_many_images_as_classes_are_one_of_each() {
        let labels = [0, 0, 0, 0, 1, 1, 1, 2, 2, 2];
        let chosen = chosen_images(&labels, 3, 0.3, 0).unwrap();
        assert_eq!(
            chosen.iter().map(|&i| labels[i]).collect::<Vec<_>>(),
            [0, 1, 2]
        );
    }
}
