//! Scripted engine: the test double, and the template for new engines.
