//! Host keys from outside: what is verified, asked, refused and stored, and what OpenSSH's own programs make of the same
//! files.

#[cfg(test)]
mod damage;
#[cfg(test)]
mod openssh;
#[cfg(test)]
mod places;
#[cfg(test)]
mod scans;
#[cfg(test)]
mod storing;
#[cfg(test)]
mod verdicts;
