//! Names and files of parameters.
