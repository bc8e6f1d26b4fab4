//! Self-supervised visual pre-training: the command line.
fn main(){ let d = burn::tensor::Device::flex(); println!("{d:?}"); }
