//! The embedded data set: 2,000 training and 500 test images of CIFAR-10, equally many of each class.
//!
//! Images are in the order of CIFAR-10, so classes are mixed. `sample/README.md` documents their origin.

use crate::error::DataError;
use crate::source::Memory;
use crate::sprite;

/// The training images: a lossless WebP sprite of 40 x 50 tiles. The linker drops it where it is not used.
pub static TRAIN_SPRITE: &[u8] = include_bytes!("../sample/train.webp");
/// The labels of the training images, a byte each.
pub static TRAIN_LABELS: &[u8] = include_bytes!("../sample/train.labels");
/// The test images: a lossless WebP sprite of 25 x 20 tiles.
pub static TEST_SPRITE: &[u8] = include_bytes!("../sample/test.webp");
/// The labels of the test images, a byte each.
pub static TEST_LABELS: &[u8] = include_bytes!("../sample/test.labels");

/// The class names of CIFAR-10, by label.
pub const CLASSES: [&str; 10] = [
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
];

/// Width and height of the images in pixels.
pub const SIDE: u32 = 32;

/// The 2,000 training images.
///
/// # Errors
/// When the embedded sprite cannot be decoded.
pub fn train() -> Result<Memory, DataError> {
    from_bytes(TRAIN_SPRITE, TRAIN_LABELS)
}

/// The 500 test images.
///
/// # Errors
/// When the embedded sprite cannot be decoded.
pub fn test() -> Result<Memory, DataError> {
    from_bytes(TEST_SPRITE, TEST_LABELS)
}

/// The sample from the contents of its files: a page fetches them instead of embedding them.
///
/// # Errors
/// When the sprite cannot be decoded or does not match the labels.
pub fn from_bytes(sprite: &[u8], labels: &[u8]) -> Result<Memory, DataError> {
    sprite::read("sample", sprite, labels, (SIDE, SIDE), class_names())
}

/// [`CLASSES`] as owned strings.
pub fn class_names() -> Vec<String> {
    CLASSES.iter().map(|class| (*class).to_string()).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::Source;

    /// CRC-32 of CIFAR-10's own records (label, then the red, green and blue planes) of the chosen images.
    fn crc_of_records(source: &Memory) -> u32 {
        let mut crc = u32::MAX;
        let mut feed = |byte: u8| {
            crc ^= u32::from(byte);
            for _ in 0..8 {
                crc = (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
            }
        };
        for index in 0..source.len() {
            feed(source.label(index) as u8);
            let image = source.image(index).unwrap();
            (0..3).for_each(|channel| {
                image
                    .data
                    .iter()
                    .skip(channel)
                    .step_by(3)
                    .copied()
                    .for_each(&mut feed)
            });
        }
        !crc
    }

    #[test]
    fn the_sample_is_whole_balanced_and_lossless() {
        let (train, test) = (train().unwrap(), test().unwrap());
        assert_eq!((train.len(), test.len()), (2000, 500));
        assert_eq!(train.class_counts(), [200; 10]);
        assert_eq!(test.class_counts(), [50; 10]);
        // Computed from the original files, apart from the sprites.
        assert_eq!(crc_of_records(&train), TRAIN_CRC);
        assert_eq!(crc_of_records(&test), TEST_CRC);
    }

    const TRAIN_CRC: u32 = 0xECBA_6FFE;
    const TEST_CRC: u32 = 0x9D04_4E22;

    #[test]
    fn the_classes_are_mixed() {
        let train = train().unwrap();
        // The first images of CIFAR-10: frog, truck, truck, deer, automobile.
        assert_eq!(
            (0..5).map(|i| train.label(i)).collect::<Vec<_>>(),
            [6, 9, 9, 4, 1]
        );
    }
}
