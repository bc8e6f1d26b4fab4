//! Times of an operation on a device.

use std::time::{Duration, Instant};

use anyhow::Result;
use burn::tensor::Device;

/// Seconds of one run of `work`: the median of runs that together take about `budget`, after one to warm up.
/// `work` queues its operations; each run waits until the device has done them.
pub fn seconds(device: &Device, budget: Duration, mut work: impl FnMut()) -> Result<f64> {
    let mut once = || -> Result<f64> {
        let begin = Instant::now();
        work();
        device
            .sync()
            .map_err(|error| anyhow::anyhow!("{error:?}"))?;
        Ok(begin.elapsed().as_secs_f64())
    };
    once()?;
    let mut times = vec![once()?];
    let begin = Instant::now();
    while begin.elapsed() < budget || times.len() < 3 {
        times.push(once()?);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}
