//! Colours that people with any colour vision tell apart, and shapes of points.

/// Red, green and blue.
pub type Rgb = (u8, u8, u8);

/// Text and axes.
pub const INK: Rgb = (0x22, 0x22, 0x22);
/// Secondary text.
pub const GREY: Rgb = (0x66, 0x66, 0x66);
/// Lines of the grid.
pub const GRID: Rgb = (0xE4, 0xE4, 0xE4);
/// The background.
pub const PAPER: Rgb = (0xFF, 0xFF, 0xFF);

/// Colours of series: those of Okabe and Ito without yellow, which vanishes on white.
pub const PALETTE: [Rgb; 7] = [
    (0x00, 0x72, 0xB2),
    (0xD5, 0x5E, 0x00),
    (0x00, 0x9E, 0x73),
    (0xCC, 0x79, 0xA7),
    (0x56, 0xB4, 0xE9),
    (0xE6, 0x9F, 0x00),
    (0x55, 0x55, 0x55),
];

/// Colours of figures, and what takes their place on a dark page.
pub const DARK: [(Rgb, Rgb); 8] = [
    (PAPER, (0x1B, 0x1D, 0x21)),
    (INK, (0xE6, 0xE6, 0xE6)),
    (GREY, (0xA8, 0xA8, 0xA8)),
    (GRID, (0x36, 0x39, 0x40)),
    (PALETTE[0], (0x4D, 0xA6, 0xE0)),
    (PALETTE[1], (0xF0, 0x80, 0x30)),
    (PALETTE[2], (0x2F, 0xC0, 0x98)),
    (PALETTE[6], (0xB0, 0xB0, 0xB0)),
];

/// The colour of the n-th series.
pub fn color(series: usize) -> Rgb {
    PALETTE[series % PALETTE.len()]
}

/// Shapes of points: as corners around the centre, in units of the point's radius.
pub fn marker(series: usize) -> Vec<(f64, f64)> {
    let regular = |corners: usize, radius: f64, turn: f64| -> Vec<(f64, f64)> {
        let angle = |corner: usize| (corner as f64 + turn) / corners as f64 * std::f64::consts::TAU;
        let corner = |n| (radius * angle(n).sin(), -radius * angle(n).cos());
        (0..corners).map(corner).collect()
    };
    match series % 5 {
        0 => regular(24, 1.0, 0.0),
        1 => regular(4, 1.25, 0.5),
        2 => regular(3, 1.35, 0.0),
        3 => regular(4, 1.3, 0.0),
        _ => regular(3, 1.35, 0.5 * 3.0),
    }
}
