//! Lines out of pieces of a stream, at a cost that does not depend on how it was cut.

use hyper::body::Bytes;

/// The longest line, in bytes.
pub(super) const LONGEST: usize = 1024 * 1024;

#[derive(Default)]
pub(super) struct Lines {
    /// The beginning of a line; its end has not come.
    begun: Vec<u8>,
    /// What was not looked at yet.
    rest: Bytes,
}

/// A line has more than [`LONGEST`] bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

impl Lines {
    /// Takes the next piece, once there is no more [`Lines::next`].
    pub fn take(&mut self, piece: Bytes) {
        self.rest = piece;
    }

    /// The next line that is not empty, without its end (LF or CRLF).
    pub fn next(&mut self) -> Result<Option<String>, TooLong> {
        loop {
            let end = self.rest.iter().position(|&byte| byte == b'\n');
            let piece = self.rest.split_to(end.unwrap_or(self.rest.len()));
            if self.begun.len() + piece.len() > LONGEST {
                return Err(TooLong);
            }
            self.begun.extend_from_slice(&piece);
            if end.is_none() {
                return Ok(None);
            }
            let _ = self.rest.split_to(1);
            if let Some(line) = self.last() {
                return Ok(Some(line));
            }
        }
    }

    /// The line that nothing ends but the end of the stream.
    pub fn last(&mut self) -> Option<String> {
        let mut line = std::mem::take(&mut self.begun);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        (!line.is_empty()).then(|| text(line))
    }
}

/// What is not UTF-8 in it becomes U+FFFD.
pub(super) fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(pieces: &[&[u8]]) -> Result<Vec<String>, TooLong> {
        let (mut lines, mut found) = (Lines::default(), Vec::new());
        for piece in pieces {
            lines.take(Bytes::copy_from_slice(piece));
            while let Some(line) = lines.next()? {
                found.push(line);
            }
        }
        found.extend(lines.last());
        Ok(found)
    }

    #[test]
    fn lines_end_with_lf_or_crlf_or_the_stream_and_empty_ones_are_none() {
        let check = |text: &[u8], expected: &[&str]| {
            for cut in 0..=text.len() {
                assert_eq!(lines(&[&text[..cut], &text[cut..]]).unwrap(), expected, "{cut}");
            }
            let bytes: Vec<_> = text.chunks(1).collect();
            assert_eq!(lines(&bytes).unwrap(), expected);
        };
        check(b"", &[]);
        check(b"\n\r\n\n", &[]);
        check(b"a\nb\r\n\nc", &["a", "b", "c"]);
        check(b"a\rb\n\r", &["a\rb"]);
        check("é😀\n".as_bytes(), &["é😀"]);
        check(b"a\xff\n\xc3", &["a\u{fffd}", "\u{fffd}"]);
    }

    #[test]
    fn a_line_has_a_longest_length() {
        let long = vec![b'x'; LONGEST];
        assert_eq!(lines(&[&long, b"\n", &long]).unwrap().len(), 2);
        assert_eq!(lines(&[&long, b"x"]), Err(TooLong));
        assert_eq!(lines(&[b"x", &long, b"\n"]), Err(TooLong));
        assert_eq!(lines(&[b"a\nx", &long]), Err(TooLong));
    }

    proptest! {
        #[test]
        fn no_cut_changes_the_lines(text in "[ab\r\né]{0,40}", cuts in prop::collection::vec(0usize..60, 0..6)) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<_> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            prop_assert_eq!(lines(&pieces).unwrap(), lines(&[bytes]).unwrap());
        }
    }
}
