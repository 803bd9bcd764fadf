//! Norms, rotary positions, attention and heads in f32.
