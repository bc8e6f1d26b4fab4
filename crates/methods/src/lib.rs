//! From views to a loss: the methods, their target network and queue.
