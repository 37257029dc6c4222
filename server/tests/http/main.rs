//! The server from outside: real sockets on loopback, real TLS, raw bytes.

#[cfg(test)]
mod house;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod process;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod tls;
