//! What a representation is worth: kNN, linear evaluation, collapse.
