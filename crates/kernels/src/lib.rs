//! Training operations of Parallax's networks: right and fast on every device, with their gradients.
