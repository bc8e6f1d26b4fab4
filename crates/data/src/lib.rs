//! What an example is: sources, order, class subsets.
