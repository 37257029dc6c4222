//! The login form: `application/x-www-form-urlencoded`, as browsers without scripts send it.
//!
//! The body comes from anybody: at most so many fields, each name once, nothing panics, and all values are wiped when
//! dropped. Caller: [`super`]. Text: URL Standard, section 5.1 (parsing).

use protocol::secret::Secret;
use zeroize::Zeroizing;

/// The fields of a form.
#[derive(Debug)]
pub(crate) struct Form(Vec<(String, Secret)>);

/// Why a body is no form of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FormError {
    /// More fields than any page of ours has.
    #[error("too many form fields")]
    TooMany,
    /// A name that stands twice, or is not UTF-8.
    #[error("malformed form")]
    Malformed,
}

/// Most fields: ours have seven.
const MAX_FIELDS: usize = 16;

impl Form {
    /// Reads a body.
    ///
    /// # Errors
    ///
    /// [`FormError`].
    pub(crate) fn parse(body: &[u8]) -> Result<Self, FormError> {
        let mut fields = Vec::new();
        for pair in body
            .split(|&byte| byte == b'&')
            .filter(|pair| !pair.is_empty())
        {
            if fields.len() == MAX_FIELDS {
                return Err(FormError::TooMany);
            }
            let at = pair
                .iter()
                .position(|&byte| byte == b'=')
                .unwrap_or(pair.len());
            let (name, value) = pair.split_at_checked(at).unwrap_or((pair, b""));
            let name = std::str::from_utf8(&decoded(name)).map(str::to_owned);
            let name = name.map_err(|_| FormError::Malformed)?;
            if fields.iter().any(|(known, _)| *known == name) {
                return Err(FormError::Malformed);
            }
            let value = decoded(value.strip_prefix(b"=").unwrap_or_default());
            fields.push((name, Secret::new(value.to_vec())));
        }
        Ok(Self(fields))
    }

    /// Takes a field out.
    pub(crate) fn take(&mut self, name: &str) -> Option<Secret> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.swap_remove(at).1)
    }

    /// Takes a field out that is no secret and must be UTF-8; empty when it is not there.
    ///
    /// # Errors
    ///
    /// [`FormError::Malformed`].
    pub(crate) fn take_text(&mut self, name: &str) -> Result<String, FormError> {
        let Some(value) = self.take(name) else { return Ok(String::new()) };
        let text = std::str::from_utf8(value.expose()).map_err(|_| FormError::Malformed)?;
        Ok(text.to_owned())
    }
}

fn decoded(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        bytes.push(match first {
            b'+' => b' ',
            b'%' => match after
                .split_at_checked(2)
                .and_then(|(digits, after)| Some((hex(digits)?, after)))
            {
                Some((byte, after)) => {
                    rest = after;
                    byte
                }
                None => b'%',
            },
            other => other,
        });
    }
    bytes
}

fn hex(digits: &[u8]) -> Option<u8> {
    digits.iter().try_fold(0, |byte: u8, &digit| {
        let value = char::from(digit).to_digit(16)?;
        Some(byte << 4 | u8::try_from(value).ok()?)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes_plus_signs_and_empty_values_are_read() {
        let mut form = Form::parse(b"user=ad%C3%A1&password=a+b%2B%&reuse&&next=").unwrap();
        assert_eq!(form.take_text("user").unwrap(), "adá");
        assert_eq!(form.take("password").unwrap().expose(), b"a b+%");
        assert_eq!(form.take_text("reuse").unwrap(), "");
        assert!(form.take("reuse").is_none());
        assert!(form.take("next").is_some());
    }

    #[test]
    fn a_form_of_many_or_double_fields_is_refused() {
        let many =
            "a0=1&a1=1&a2=1&a3=1&a4=1&a5=1&a6=1&a7=1&a8=1&a9=1&b0=1&b1=1&b2=1&b3=1&b4=1&b5=1&b6=1";
        assert_eq!(Form::parse(many.as_bytes()).unwrap_err(), FormError::TooMany);
        assert_eq!(Form::parse(b"user=a&user=b").unwrap_err(), FormError::Malformed);
        assert_eq!(Form::parse(b"%FF=a").unwrap_err(), FormError::Malformed);
        assert_eq!(Form::parse(b"user=%FF").unwrap().take_text("user"), Err(FormError::Malformed));
    }

    proptest! {
        #[test]
        fn any_value_comes_through(value in prop::collection::vec(any::<u8>(), 0..60)) {
            let escaped = value.iter().map(|byte| format!("%{byte:02x}")).collect::<Vec<_>>().concat();
            let mut form = Form::parse(format!("a=1&password={escaped}").as_bytes()).unwrap();
            let seen = form.take("password").unwrap();
            prop_assert_eq!(seen.expose(), &value[..]);
        }

        #[test]
        fn received_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _refused_or_not = Form::parse(&bytes);
        }
    }
}
