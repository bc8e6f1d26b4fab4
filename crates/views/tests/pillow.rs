//! Replays what real Pillow computed: `pillow/generate.py` says how `pillow/chains.json` was made.

#![allow(clippy::unwrap_used, missing_docs)]

use parallax_views::{Image, Op, apply_all};
use serde::Deserialize;

#[derive(Deserialize)]
struct File {
    pillow: String,
    every_colour: Vec<ColourCase>,
    chains: Vec<Chain>,
    photos: Vec<PhotoChain>,
}

#[derive(Deserialize)]
struct ColourCase {
    op: Op,
    crc32: u32,
}

#[derive(Deserialize)]
struct Chain {
    seed: u32,
    width: u32,
    height: u32,
    ops: Vec<Op>,
    crc32: u32,
}

#[derive(Deserialize)]
struct PhotoChain {
    photo: String,
    width: u32,
    height: u32,
    left: u32,
    top: u32,
    ops: Vec<Op>,
    crc32: u32,
    first: [u8; 3],
    last: [u8; 3],
}

fn file() -> File {
    serde_json::from_str(include_str!("pillow/chains.json")).unwrap()
}

/// The same images as `image` of `generate.py`.
fn image(seed: u32, width: u32, height: u32) -> Image {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12_345);
    let mut data = Vec::new();
    for y in 0..height {
        for x in 0..width {
            for c in 0..3 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let noise = state >> 24;
                let value = match seed % 4 {
                    0 => {
                        ((x * (3 + c) + y * (5 - c) + c * 85 + seed) % 510).abs_diff(255) * 7 / 8
                            + noise / 8
                    }
                    1 => noise,
                    2 => {
                        ((x / 3 + y / 2) * 40
                            + if (x / 4 + seed).is_multiple_of(3) {
                                c * 60
                            } else {
                                0
                            })
                            % 256
                    }
                    _ => (255 * ((x / 5 + y / 7 + c * (seed % 5)) % 2)) ^ (noise / 16),
                };
                data.push(u8::try_from(value).unwrap());
            }
        }
    }
    Image {
        width,
        height,
        data,
    }
}

macro_rules! photos {
    ($($name:literal, $width:literal, $height:literal;)*) => {
        /// Name, sides and pixels.
        const PHOTOS: &[(&str, u32, u32, &[u8])] = &[$((
            $name,
            $width,
            $height,
            include_bytes!(concat!("pillow/photos/", $name, "-", $width, "x", $height, ".rgb")),
        )),*];
    };
}

photos! {
    "astronaut", 91, 65;
    "cat", 83, 97;
    "coffee", 101, 75;
    "rocket", 61, 113;
}

/// The photo, continued by its mirror images in all directions, from (`left`, `top`) on: as `photo` of `generate.py`.
fn photo(chain: &PhotoChain) -> Image {
    let &(_, w, h, pixels) = PHOTOS
        .iter()
        .find(|(name, ..)| *name == chain.photo)
        .unwrap();
    let mirror = |at: u32, side: u32| {
        let at = at % (2 * side);
        if at < side { at } else { 2 * side - 1 - at }
    };
    let mut data = Vec::new();
    for y in 0..chain.height {
        let row = mirror(y + chain.top, h) * w;
        for x in 0..chain.width {
            let at = 3 * (row + mirror(x + chain.left, w)) as usize;
            data.extend_from_slice(&pixels[at..at + 3]);
        }
    }
    Image {
        width: chain.width,
        height: chain.height,
        data,
    }
}

#[test]
fn chains_on_photos() {
    let file = file();
    assert!(file.photos.len() >= 300);
    for (index, chain) in file.photos.iter().enumerate() {
        let out = apply_all(&photo(chain), &chain.ops).unwrap();
        let found = (
            crc32fast::hash(&out.data),
            &out.data[..3],
            &out.data[out.data.len() - 3..],
        );
        assert_eq!(
            found,
            (chain.crc32, &chain.first[..], &chain.last[..]),
            "chain {index} on {} differs from Pillow {}: {} x {} from ({}, {}), {:?}",
            chain.photo,
            file.pillow,
            chain.width,
            chain.height,
            chain.left,
            chain.top,
            chain.ops
        );
    }
}

#[test]
fn chains() {
    let file = file();
    assert!(file.chains.len() >= 200);
    for (index, chain) in file.chains.iter().enumerate() {
        let input = image(chain.seed, chain.width, chain.height);
        let out = apply_all(&input, &chain.ops).unwrap();
        let found = crc32fast::hash(&out.data);
        assert_eq!(
            found, chain.crc32,
            "chain {index} differs from Pillow {}: seed {}, {} x {}, {:?}",
            file.pillow, chain.seed, chain.width, chain.height, chain.ops
        );
    }
}

/// The operations that look at one pixel alone, over all 2^24 colours.
#[test]
fn every_colour() {
    let mut data = vec![0; 3 << 24];
    for (number, pixel) in (0u32..).zip(data.as_chunks_mut::<3>().0) {
        let [r, g, b, _] = number.to_le_bytes();
        *pixel = [r, g, b];
    }
    let input = Image {
        width: 4096,
        height: 4096,
        data,
    };
    for case in file().every_colour {
        let out = case.op.apply(&input).unwrap();
        assert_eq!(crc32fast::hash(&out.data), case.crc32, "{:?}", case.op);
    }
}
