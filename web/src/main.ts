/** Start of our own interface: the entry of `shell.js`. */

export {};
