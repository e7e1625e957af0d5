//! Tests of the simulated programmer.
