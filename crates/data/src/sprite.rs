//! Sprites: many small images of one size in one lossless image, with one byte for each label.

use std::io::Cursor;

use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, ImageEncoder};
use parallax_views::Image;

use crate::decode::decode;
use crate::error::DataError;
use crate::source::{Memory, Source, check};

/// The longest side of a WebP file.
const MAX_SIDE: usize = 16383;

/// Reads the tiles of a sprite.
///
/// Tiles of `tile` = (width, height) are in rows from the top left, with one label byte each. Only the last row may be
/// incomplete.
///
/// # Errors
/// When the sprite cannot be decoded, is not a grid of such tiles, or does not match the labels.
pub fn read(
    name: &str,
    sprite: &[u8],
    labels: &[u8],
    tile: (u32, u32),
    classes: Vec<String>,
) -> Result<Memory, DataError> {
    let grid = decode(sprite, name)?;
    let wrong = |reason| DataError::Sprite {
        name: name.into(),
        reason,
    };
    let (width, height) = tile;
    if width == 0 || height == 0 || grid.width % width != 0 || grid.height % height != 0 {
        let (w, h) = (grid.width, grid.height);
        return Err(wrong(format!(
            "a sprite of {w} x {h} pixels is not a grid of {width} x {height} tiles"
        )));
    }
    let columns = (grid.width / width) as usize;
    let rows = (grid.height / height) as usize;
    if labels.len().div_ceil(columns) != rows {
        let (places, found) = (columns * rows, labels.len());
        return Err(wrong(format!(
            "{columns} x {rows} = {places} tiles do not match {found} labels"
        )));
    }
    let images = (0..labels.len())
        .map(|i| cut(&grid, i % columns, i / columns, tile))
        .collect();
    Memory::new(
        name,
        images,
        labels.iter().copied().map(u32::from).collect(),
        classes,
    )
}

fn cut(grid: &Image, column: usize, row: usize, (width, height): (u32, u32)) -> Image {
    let line = 3 * width as usize;
    let stride = 3 * grid.width as usize;
    let tile_rows = grid
        .data
        .chunks_exact(stride)
        .skip(row * height as usize)
        .take(height as usize);
    let data = tile_rows
        .flat_map(|pixels| pixels.iter().skip(column * line).take(line).copied())
        .collect();
    Image {
        width,
        height,
        data,
    }
}

/// Writes the images of a source, which must have one size, as a lossless WebP sprite with `columns` tiles in a row, and their
/// labels: the input of [`read`].
///
/// # Errors
/// When sizes differ, a label exceeds a byte, or the sprite is larger than a WebP file can be.
pub fn write(source: &dyn Source, columns: usize) -> Result<(Vec<u8>, Vec<u8>), DataError> {
    let name = source.name();
    let wrong = |reason| DataError::Sprite {
        name: name.into(),
        reason,
    };
    let labels: Vec<u32> = (0..source.len()).map(|index| source.label(index)).collect();
    check(name, source.len(), &labels, source.classes().len().min(256))?;
    let (width, height) = source
        .image(0)
        .map(|first| (first.width as usize, first.height as usize))?;
    let (across, down) = (
        columns * width,
        source.len().div_ceil(columns.max(1)) * height,
    );
    if columns == 0 || across > MAX_SIDE || down > MAX_SIDE {
        let reason = format!(
            "{columns} columns make a sprite of {across} x {down} pixels; sides are at most {MAX_SIDE}"
        );
        return Err(wrong(reason));
    }
    let mut grid = vec![0; 3 * across * down];
    for index in 0..source.len() {
        let image = source.image(index)?;
        if (image.width as usize, image.height as usize) != (width, height) {
            let (w, h) = (image.width, image.height);
            return Err(wrong(format!(
                "image {index} is {w} x {h}; all images of a sprite must be {width} x {height}"
            )));
        }
        let start = 3 * ((index / columns) * height * across + (index % columns) * width);
        for (row, pixels) in image.data.chunks_exact(3 * width).enumerate() {
            let at = start + 3 * row * across;
            grid[at..at + 3 * width].copy_from_slice(pixels);
        }
    }
    let mut file = Cursor::new(Vec::new());
    WebPEncoder::new_lossless(&mut file)
        .write_image(&grid, across as u32, down as u32, ExtendedColorType::Rgb8)
        .map_err(|error| wrong(error.to_string()))?;
    // `check` has ensured that every label is below 256.
    Ok((
        file.into_inner(),
        labels.into_iter().map(|label| label as u8).collect(),
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn source(n: usize) -> Memory {
        let image = |i: usize| Image {
            width: 5,
            height: 3,
            data: (0..45).map(|k| (i * 7919 + k * 104_729) as u8).collect(),
        };
        Memory::new(
            "set",
            (0..n).map(image).collect(),
            vec![1; n],
            vec!["a".into(), "b".into()],
        )
        .unwrap()
    }

    fn read_as(sprite: &[u8], labels: &[u8], tile: (u32, u32)) -> Result<Memory, DataError> {
        read("set", sprite, labels, tile, vec!["a".into(), "b".into()])
    }

    #[test]
    fn comes_back_as_it_went_in() {
        for (n, columns) in [(2, 1), (7, 3), (9, 3), (5, 20)] {
            let before = source(n);
            let (sprite, labels) = write(&before, columns).unwrap();
            if columns > n {
                // More unused tiles than a row has would hide a missing label.
                assert_eq!(decode(&sprite, "set").unwrap().height, 3);
            }
            let after = read_as(&sprite, &labels, (5, 3)).unwrap();
            assert!((0..n).all(|i| before.image(i).unwrap() == after.image(i).unwrap()));
            assert_eq!(after.class_counts(), [0, n]);
        }
    }

    #[test]
    fn refuses_what_does_not_fit() {
        let (sprite, labels) = write(&source(7), 3).unwrap();
        let text = |result: Result<Memory, DataError>| result.map(|_| ()).unwrap_err().to_string();
        let tiles = text(read_as(&sprite, &labels, (4, 3)));
        assert_eq!(
            tiles,
            "set: a sprite of 15 x 9 pixels is not a grid of 4 x 3 tiles"
        );
        assert_eq!(
            text(read_as(&sprite, &labels[..6], (5, 3))),
            "set: 3 x 3 = 9 tiles do not match 6 labels"
        );
        assert!(text(read_as(&sprite, &[9; 7], (5, 3))).contains("label 9"));
        assert!(
            text(read_as(&sprite[..sprite.len() / 2], &labels, (5, 3)))
                .starts_with("set: not a valid")
        );
        assert!(write(&source(7), 0).is_err());
        let mut images = vec![source(2).image(0).unwrap().into_owned(); 2];
        images[1] = Image {
            width: 1,
            height: 1,
            data: vec![0; 3],
        };
        let uneven = Memory::unlabelled("uneven", images).unwrap();
        let error = write(&uneven, 2).unwrap_err().to_string();
        assert_eq!(
            error,
            "uneven: image 1 is 1 x 1; all images of a sprite must be 5 x 3"
        );
    }
}
