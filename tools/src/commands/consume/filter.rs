//! Which records are shown: key, value and headers by patterns with `*` and `?`. Pure.

use mainstem_client::consumer::ConsumedRecord;

/// A pattern over bytes: `*` stands for any bytes, `?` for one, everything else for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Glob(Vec<u8>);

impl Glob {
    pub(crate) fn new(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }

    pub(crate) fn matches(&self, bytes: &[u8]) -> bool {
        let (mut pattern, mut rest) = (self.0.as_slice(), bytes);
        // Where to go on if what follows the last star does not fit: the star then takes one byte more.
        let mut retry: Option<(&[u8], &[u8])> = None;
        loop {
            match (pattern.split_first(), rest.split_first()) {
                (Some((b'*', behind)), _) => {
                    retry = Some((behind, rest));
                    pattern = behind;
                }
                (Some((&wanted, behind)), Some((&byte, left))) if wanted == b'?' || wanted == byte => {
                    (pattern, rest) = (behind, left);
                }
                (None, None) => return true,
                _ => match retry.take().and_then(|(behind, from)| Some((behind, from.split_first()?.1))) {
                    Some((behind, from)) => {
                        retry = Some((behind, from));
                        (pattern, rest) = (behind, from);
                    }
                    None => return false,
                },
            }
        }
    }
}

/// All that a record has to fit. A null key or value fits no pattern.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    pub(crate) key: Option<Glob>,
    pub(crate) value: Option<Glob>,
    /// Header key, and what one of its values has to fit.
    pub(crate) headers: Vec<(Vec<u8>, Glob)>,
}

impl Filter {
    pub(crate) fn passes(&self, record: &ConsumedRecord) -> bool {
        let fits = |glob: Option<&Glob>, part: Option<&bytes::Bytes>| match (glob, part) {
            (None, _) => true,
            (Some(glob), Some(part)) => glob.matches(part),
            (Some(_), None) => false,
        };
        fits(self.key.as_ref(), record.key.as_ref())
            && fits(self.value.as_ref(), record.value.as_ref())
            && self.headers.iter().all(|(key, glob)| {
                let mut headers = record.headers.iter().filter(|header| header.key == key);
                headers.any(|header| header.value.as_ref().is_some_and(|value| glob.matches(value)))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks_match_as_in_a_shell() {
        for (pattern, text, fits) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("abc", "abc", true),
            ("abc", "abd", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("a*c", "ac", true),
            ("a*c", "abcbc", true),
            ("*b*", "abc", true),
            ("*ab", "aab", true),
            ("*aab", "aaab", true),
            ("a*b*c", "a1b2b3d", false),
            ("**", "x", true),
        ] {
            assert_eq!(Glob::new(pattern).matches(text.as_bytes()), fits, "{pattern} {text}");
        }
    }
}
