//! The final comparison, for people.

use parallax_probes::Metric;
use parallax_train::Row;

/// Prints the table of a comparison on `test_images` images; of top-1 and top-5 the former.
pub fn print(table: &[Row], test_images: usize) {
    let of_first = table.iter().take(1).flat_map(|row| row.metrics.iter());
    let columns: Vec<&'static Metric> = of_first
        .map(|(metric, _)| metric)
        .filter(|metric| metric.rank.is_some())
        .collect();
    println!("\naccuracy on {test_images} held-out images, in percent\n");
    print!("{:<18}", "features");
    for metric in &columns {
        print!(" {:>8}", metric.label);
    }
    println!();
    for row in table {
        print!("{:<18}", row.encoder.label());
        for metric in &columns {
            // Pixels have no linear evaluation.
            let text = match row.metrics.get(metric) {
                Some(value) => metric.value(value),
                None => "-".to_string(),
            };
            print!(" {:>8}", text.trim_end_matches(" %"));
        }
        println!();
    }
    println!();
}
