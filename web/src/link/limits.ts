/**
 * Limits of the protocol on which both ends must agree. The same figures as in the Rust crate `protocol`; the byte
 * vectors in `tests/vectors` attack both.
 */

/** Largest frame in bytes: channel id, newline and payload. */
export const MAX_FRAME = 16 * 1024 * 1024;

/** Most digits of a length line: one more than {@link MAX_FRAME} has, so that the error can say "too long". */
export const MAX_LENGTH_DIGITS = 9;

/** Largest control message in bytes. */
export const MAX_CONTROL = 128 * 1024;

/** Deepest nesting of a control message, in levels. */
export const MAX_JSON_DEPTH = 32;

/** Most members and elements in one control message. */
export const MAX_JSON_MEMBERS = 10_000;

/** Longest channel id in bytes. */
export const MAX_CHANNEL_ID = 256;

/**
 * Largest data payload that we put into one message, in bytes. A stock server refuses 128 KiB and more; a text of
 * this many bytes is cut by characters.
 */
export const DATA_BLOCK = 64 * 1024;
