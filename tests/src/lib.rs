//! Whole calls, tried from outside.
