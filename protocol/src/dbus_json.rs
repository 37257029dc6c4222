//! D-Bus values as JSON.
