//! Where an axis has ticks, and how their numbers are written.

/// At most about so many ticks.
const WANTED: f64 = 6.0;

/// Ticks at multiples of 1, 2 or 5 times a power of ten.
pub fn linear(from: f64, to: f64) -> Vec<(f64, String)> {
    let rough = (to - from) / WANTED;
    if !rough.is_finite() || rough <= 0.0 {
        return vec![(from, number(from))];
    }
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .map(|factor| factor * power)
        .into_iter()
        .find(|step| *step >= rough)
        .unwrap_or(10.0 * power);
    let decimals = (-step.log10().floor()).max(0.0) as usize;
    let slack = step * 1e-6;
    let first = ((from - slack) / step).ceil() as i64;
    let last = ((to + slack) / step).floor() as i64;
    (first..=last)
        .map(|n| {
            let value = n as f64 * step;
            (value, grouped(&format!("{value:.decimals$}")))
        })
        .collect()
}

/// Ticks of a logarithmic axis: powers of ten, and 2 and 5 times them where there are few.
pub fn logarithmic(from: f64, to: f64) -> Vec<(f64, String)> {
    let (low, high) = (from.log10(), to.log10());
    let factors: &[f64] = match high - low {
        decades if decades < 1.0 => &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0],
        decades if decades < 2.5 => &[1.0, 2.0, 5.0],
        _ => &[1.0],
    };
    let every = (((high - low) / (WANTED + 2.0)).ceil() as i32).max(1);
    let exponents = low.floor() as i32..=high.ceil() as i32;
    exponents
        .filter(|exponent| exponent % every == 0)
        .flat_map(|exponent| {
            factors
                .iter()
                .map(move |factor| factor * 10f64.powi(exponent))
        })
        .filter(|value| *value >= from * (1.0 - 1e-9) && *value <= to * (1.0 + 1e-9))
        .map(|value| (value, number(value)))
        .collect()
}

/// A number with as many digits as it needs, five at most.
pub fn number(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-3..1e7).contains(&size) {
        return format!("{value:.0e}");
    }
    let decimals = (4 - size.max(1e-3).log10().floor() as i32).clamp(0, 6) as usize;
    let text = format!("{value:.decimals$}");
    let text = match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => &text,
    };
    grouped(text)
}

/// Thousands set apart by commas, from 10,000 on.
fn grouped(text: &str) -> String {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => ("−", rest),
        None => ("", text),
    };
    let (whole, fraction) = match rest.split_once('.') {
        Some((whole, fraction)) => (whole, format!(".{fraction}")),
        None => (rest, String::new()),
    };
    let mut out = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && whole.len() > 4 && (whole.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    format!("{sign}{out}{fraction}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(ticks: Vec<(f64, String)>) -> Vec<String> {
        ticks.into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn steps_are_round_numbers() {
        let ticks = texts(linear(22.3, 47.9));
        assert_eq!(ticks, ["25", "30", "35", "40", "45"]);
        let ticks = texts(linear(0.0, 1.0));
        assert_eq!(ticks, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        let ticks = texts(linear(-1.0, 1.0));
        assert_eq!(ticks, ["−1.0", "−0.5", "0.0", "0.5", "1.0"]);
        assert_eq!(
            texts(linear(0.0, 50_000.0)).last().map(String::as_str),
            Some("50,000")
        );
        assert_eq!(texts(linear(3.0, 3.0)), ["3"]);
    }

    #[test]
    fn logarithmic_ticks_fit_their_range() {
        assert_eq!(
            texts(logarithmic(0.05, 2000.0)),
            ["0.1", "1", "10", "100", "1000"]
        );
        assert_eq!(
            texts(logarithmic(0.9, 60.0)),
            ["1", "2", "5", "10", "20", "50"]
        );
        assert_eq!(
            texts(logarithmic(10.0, 45.0)),
            ["10", "15", "20", "30", "40"]
        );
        assert!(logarithmic(1e-12, 1e12).len() < 12);
    }

    #[test]
    fn numbers_are_short() {
        let numbers = [0.001, 0.15, 10.0, 1234.5, 1_281_167.0, 1e-9].map(number);
        assert_eq!(
            numbers,
            ["0.001", "0.15", "10", "1234.5", "1,281,167", "1e-9"]
        );
    }
}
