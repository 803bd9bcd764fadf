//! Products of ternary matrices with int8 vectors.
