//! Every system in f64: ranks and one process to 1e-9. In a process of its own, because a device's element type is the whole
//! process's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod threads;

use burn::tensor::{Device, FloatDType};

#[test]
fn every_system_equals_one_process() {
    let configured = Device::flex().configure(FloatDType::F64);
    configured.expect("this test is the first to use the device");
    threads::systems_equal_one_process(1e-9);
}
