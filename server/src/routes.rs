//! The URL table, nothing else.
