//! The same core as a WebAssembly module for a browser worker.
