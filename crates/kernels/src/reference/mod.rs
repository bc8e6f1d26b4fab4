//! The operations in other dtypes on the CPU, for checks alone: a run never comes here.

pub mod double;
pub mod half;
