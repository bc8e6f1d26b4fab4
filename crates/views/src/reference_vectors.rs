//! The reference vectors of methods.md appendix A: checksums of what Pillow 9.3 makes of a synthetic image.

#![allow(clippy::unwrap_used)]

use crate::canvas::apply_all;
use crate::image::Image;
use crate::op::Op;
use crate::ops::hue::rgb_to_hsv;
use crate::ops::tone::luma;

const WIDTH: u32 = 23;
const HEIGHT: u32 = 17;

fn input() -> Image {
    let mut data = Vec::new();
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            for c in 0..3 {
                let value = 37 * x + 59 * y + 83 * c + 5 * ((x * y) % 17) + (x * x * (c + 1)) % 29;
                data.push((value % 256) as u8);
            }
        }
    }
    Image {
        width: WIDTH,
        height: HEIGHT,
        data,
    }
}

/// Operations, then CRC-32, sum, first six and last three bytes of the result.
type Row = (Vec<Op>, u32, u64, [u8; 6], [u8; 3]);

fn check(name: &str, data: &[u8], crc: u32, sum: u64, first: [u8; 6], last: [u8; 3]) {
    assert_eq!(data[..6], first, "{name}");
    assert_eq!(data[data.len() - 3..], last, "{name}");
    assert_eq!(
        data.iter().map(|&v| u64::from(v)).sum::<u64>(),
        sum,
        "{name}"
    );
    assert_eq!(crc32fast::hash(data), crc, "{name}");
}

#[test]
fn raw_conversions() {
    let input = input();
    let (pixels, _) = input.data.as_chunks::<3>();
    let hsv: Vec<u8> = pixels.iter().copied().flat_map(rgb_to_hsv).collect();
    check(
        "hsv",
        &hsv,
        0x7dc3_9a2c,
        221_608,
        [148, 255, 166, 148, 207, 206],
        [148, 194, 194],
    );
    let grey: Vec<u8> = pixels.iter().copied().map(luma).collect();
    check(
        "gray L",
        &grey,
        0xa33f_9fb7,
        50_098,
        [68, 106, 149, 166, 195, 95],
        [124, 73, 106],
    );
}

#[test]
fn operations() {
    for (ops, crc, sum, first, last) in rows() {
        let out = apply_all(&input(), &ops).unwrap();
        check(&format!("{ops:?}"), &out.data, crc, sum, first, last);
    }
}

#[rustfmt::skip]
fn rows() -> Vec<Row> {
    let brightness = |factor| Op::Brightness { factor };
    let contrast = |factor| Op::Contrast { factor };
    let saturation = |factor| Op::Saturation { factor };
    let hue = |delta| Op::Hue { delta };
    let blur = |sigma| Op::Blur { sigma };
    let resize = |width, height| Op::Resize { width, height };
    let crop = Op::Crop { left: 3, top: 2, width: 13, height: 11 };
    let solarize = Op::Solarize { threshold: 128 };
    let (bri, con, sat, turn) = (brightness(1.25), contrast(0.7), saturation(1.3), hue(-0.08));
    vec![
        (vec![], 0x56f1_b366, 149_777, [0, 83, 166, 38, 122, 206], [46, 120, 194]),
        (vec![brightness(0.6)], 0xc1b2_2e77, 89_404, [0, 49, 99, 22, 73, 123], [27, 72, 116]),
        (vec![brightness(0.83)], 0x83d8_3f9f, 123_724, [0, 68, 137, 31, 101, 170], [38, 99, 161]),
        (vec![brightness(1.0)], 0x56f1_b366, 149_777, [0, 83, 166, 38, 122, 206], [46, 120, 194]),
        (vec![brightness(1.4)], 0x114a_b51c, 192_074, [0, 116, 232, 53, 170, 255], [64, 168, 255]),
        (vec![contrast(0.6)], 0x530e_e5f4, 149_449, [51, 101, 150, 74, 124, 174], [78, 123, 167]),
        (vec![contrast(0.83)], 0x92e4_f4f6, 149_251, [21, 90, 159, 53, 123, 192], [59, 121, 182]),
        (vec![contrast(1.4)], 0x52ab_0ce9, 149_246, [0, 65, 181, 2, 119, 237], [13, 116, 220]),
        (vec![saturation(0.6)], 0x85d4_9ad0, 149_533, [27, 77, 126, 65, 115, 166], [70, 114, 158]),
        (vec![saturation(0.8)], 0x3c28_1cf2, 149_417, [13, 80, 146, 51, 118, 186], [58, 117, 176]),
        (vec![saturation(1.2)], 0xda3d_3de9, 149_355, [0, 86, 185, 24, 125, 226], [34, 122, 211]),
        (vec![saturation(1.4)], 0xf5d4_aa18, 149_440, [0, 89, 205, 10, 128, 246], [22, 125, 229]),
        (vec![hue(-0.1)], 0xcb0b_915e, 176_654, [0, 166, 148, 39, 206, 188], [46, 194, 178]),
        (vec![hue(-0.037)], 0xeec6_95db, 164_921, [0, 121, 166, 39, 161, 206], [46, 154, 194]),
        (vec![hue(0.0)], 0xcb5d_41cc, 150_880, [0, 86, 166, 39, 125, 206], [46, 123, 194]),
        (vec![hue(0.05)], 0x6ea8_3d96, 132_175, [0, 39, 166, 39, 78, 206], [46, 81, 194]),
        (vec![hue(0.1)], 0x0ca7_3126, 121_712, [12, 0, 166, 51, 39, 206], [57, 46, 194]),
        (vec![hue(0.4)], 0xf8b9_721c, 124_895, [166, 0, 20, 206, 39, 58], [194, 46, 64]),
        (vec![blur(0.1)], 0x21c4_7661, 149_735, [0, 83, 166, 38, 122, 206], [46, 120, 194]),
        (vec![blur(0.25)], 0xa39a_bdd0, 149_815, [3, 86, 168, 41, 125, 200], [52, 117, 191]),
        (vec![blur(0.5)], 0xf52a_a27f, 149_803, [12, 95, 175, 46, 129, 187], [61, 109, 182]),
        (vec![blur(1.0)], 0xdd69_bf70, 149_233, [41, 123, 166, 67, 142, 159], [95, 93, 151]),
        (vec![blur(1.5)], 0x68f0_6711, 149_741, [75, 139, 145, 88, 144, 142], [116, 106, 131]),
        (vec![blur(2.0)], 0x20d3_0d01, 149_772, [89, 136, 141, 97, 138, 138], [117, 116, 129]),
        (vec![solarize.clone()], 0xd3b6_9911, 74_525, [0, 83, 89, 38, 122, 49], [46, 120, 61]),
        (vec![Op::Hflip {}], 0x51f2_9b0a, 149_777, [66, 140, 214, 15, 104, 193], [176, 3, 86]),
        (vec![resize(8, 8)], 0xfb49_f6c4, 24_522, [93, 155, 131, 146, 129, 134], [132, 108, 120]),
        (vec![resize(40, 31)], 0x6805_598e, 474_902, [0, 83, 166, 14, 97, 180], [46, 120, 194]),
        (vec![crop.clone(), resize(12, 12)], 0x75a1_808b, 53_822, [18, 107, 200, 76, 148, 197], [54, 130, 206]),
        (vec![turn.clone(), bri.clone(), sat.clone(), con.clone()], 0xb2ef_5443, 205_163, [52, 208, 210, 55, 231, 231], [65, 231, 231]),
        (vec![con, sat, turn, bri], 0x7bec_975f, 214_364, [28, 215, 217, 62, 251, 253], [71, 237, 240]),
        (vec![crop, resize(12, 12), Op::Hflip {}, brightness(1.1), contrast(0.9), saturation(1.15), hue(0.06), blur(0.7), solarize], 0x4d9f_7ce6, 42_129, [34, 75, 103, 54, 101, 75], [85, 105, 72]),
    ]
}
