//! Making a server's text safe to show: capped, without control and bidirectional characters, and without markup where
//! a notification daemon would render it. What is kept is what a person can see, and what scripts and emoji need to be
//! drawn at all: joiners, variation selectors, combining marks.

/// The most characters of a body that are kept and shown in the window.
pub const BODY_SHOWN: usize = 4_000;

/// The most characters of a title that are kept and shown.
pub const TITLE_SHOWN: usize = 200;

/// `text` as one line of at most `max_chars` characters: every run of spaces, tabs and line breaks is one space, and
/// there is none at the ends. What was cut ends in `…`. Takes no longer than it takes to reach the cap.
pub fn one_line(text: &str, max_chars: usize) -> String {
    let mut capped = Capped::new(max_chars);
    let mut gap = false;
    for c in text.chars() {
        match class(c) {
            Class::Hidden => {}
            Class::Blank | Class::Break => gap = !capped.out.is_empty(),
            Class::Seen => {
                if (gap && !capped.push(' ')) || !capped.push(c) {
                    break;
                }
                gap = false;
            }
        }
    }
    capped.finish()
}

/// `text` as lines of together at most `max_chars` characters: line breaks of every kind are `\n`, at most one empty
/// line stands in a row, there is none at the ends, and a tab is a space. What was cut ends in `…`.
pub fn lines(text: &str, max_chars: usize) -> String {
    let mut capped = Capped::new(max_chars);
    let mut breaks = 0;
    let mut previous = '\0';
    for c in text.chars() {
        match class(c) {
            Class::Hidden => {}
            Class::Break if c == '\n' && previous == '\r' => {}
            Class::Break => breaks += usize::from(breaks < 2 && !capped.out.is_empty()),
            Class::Blank | Class::Seen => {
                let seen = if c == '\t' { ' ' } else { c };
                if !(0..breaks).all(|_| capped.push('\n')) || !capped.push(seen) {
                    break;
                }
                breaks = 0;
            }
        }
        previous = c;
    }
    capped.finish()
}

/// `text` for a daemon that renders markup in the body: `& < > " '` become entities, so that nothing is left to render.
pub fn escape_markup(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

/// Whether `text` holds a character that these functions would take out or replace by a space.
pub fn has_hidden(text: &str) -> bool {
    text.chars().any(|c| c != ' ' && !matches!(class(c), Class::Seen))
}

/// A text that stops growing at its cap.
struct Capped {
    out: String,
    count: usize,
    max: usize,
    cut: bool,
}

impl Capped {
    fn new(max: usize) -> Self {
        Self { out: String::new(), count: 0, max, cut: false }
    }

    /// Whether there was still room.
    fn push(&mut self, c: char) -> bool {
        self.cut = self.count == self.max;
        if !self.cut {
            self.out.push(c);
            self.count += 1;
        }
        !self.cut
    }

    fn finish(mut self) -> String {
        if self.cut {
            self.out.pop();
        }
        self.out.truncate(self.out.trim_end_matches([' ', '\n']).len());
        if self.cut && self.max > 0 {
            self.out.push('…');
        }
        self.out
    }
}

enum Class {
    /// Drawn, or needed to draw its neighbours.
    Seen,
    /// A space or a tab.
    Blank,
    /// The end of a line or paragraph.
    Break,
    /// Not drawn; it would reorder, hide or fake what is, or end a C string.
    Hidden,
}

fn class(c: char) -> Class {
    match c {
        ' ' | '\t' => Class::Blank,
        '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => Class::Break,
        // C0 with DEL and C1.
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        // Bidirectional marks, embeddings, overrides and isolates (UAX #9), and the deprecated controls after them.
        | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{206f}'
        // Without width and without a use in drawing: soft hyphen, vowel separator, zero-width space, word joiner,
        // invisible operators, byte order mark.
        | '\u{ad}' | '\u{180e}' | '\u{200b}' | '\u{2060}'..='\u{2065}' | '\u{feff}'
        // Interlinear annotations, the end of the plane, and tags, which carry a whole hidden alphabet.
        | '\u{fff0}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}' | '\u{e0000}'..='\u{e007f}' => Class::Hidden,
        _ => Class::Seen,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Written on its own, from the list of the promise, so that it does not repeat what `class` says.
    fn forbidden(c: char) -> bool {
        let code = u32::from(c);
        c.is_control()
            || (0x202a..=0x202e).contains(&code)
            || (0x2066..=0x2069).contains(&code)
            || (0xe0000..=0xe007f).contains(&code)
            || [0x200e, 0x200f, 0x061c, 0xfeff, 0x2028, 0x2029].contains(&code)
    }

    #[test]
    fn one_line_is_what_a_person_sees_on_one_line() {
        let check = |given: &str, expected: &str| assert_eq!(one_line(given, 20), expected, "{given:?}");
        check("", "");
        check("  plain  ", "plain");
        check("two\r\nlines\tand tab", "two lines and tab");
        check("nul\0 bell\u{7} csi\u{9b}31m", "nul bell csi31m");
        check("evil\u{202e}gpj.exe", "evilgpj.exe");
        check("\u{2066}a\u{2069}\u{200f}\u{61c}b\u{feff}", "ab");
        check("para\u{2029}graph\u{85}next", "para graph next");
        check("tag\u{e0041}\u{e007f}s", "tags");
        check("家\u{200d}👨\u{200d}👩 ❤\u{fe0f} نمی\u{200c}خواهم", "家\u{200d}👨\u{200d}👩 ❤\u{fe0f} نمی\u{200c}خواهم");
        check("exactly twenty chars", "exactly twenty chars");
        check("exactly twenty chars ", "exactly twenty chars");
        check("a line above twenty characters", "a line above twenty…");
        check("检测检测检测检测检测检测检测检测检测检测检测", "检测检测检测检测检测检测检测检测检测检…");
    }

    #[test]
    fn lines_keep_their_breaks_and_nothing_else() {
        let check = |given: &str, expected: &str| assert_eq!(lines(given, 20), expected, "{given:?}");
        check("a\r\nb\rc\nd\u{2028}e", "a\nb\nc\nd\ne");
        check("\n\n a\n\n\n\n\nb \n\n", " a\n\nb");
        check("col\tumn\0", "col umn");
        check("0123456789\n0123456789", "0123456789\n01234567…");
        check("0123456789\n\n\n\n\n\n\n\n\n\n0", "0123456789\n\n0");
    }

    #[test]
    fn a_cap_of_nothing_gives_nothing() {
        assert_eq!(one_line("abc", 0), "");
        assert_eq!(lines("abc", 0), "");
        assert_eq!(one_line("abc", 1), "…");
    }

    #[test]
    fn markup_is_only_text() {
        assert_eq!(
            escape_markup(r#"<b a="1" c='2'>&amp;</b>"#),
            "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;amp;&lt;/b&gt;"
        );
    }

    #[test]
    fn what_has_nothing_hidden_stays_as_it_is() {
        assert!(!has_hidden("crm — 客户 ❤\u{fe0f}"));
        for hidden in ["a\0", "a\u{202e}", "a\n", "a\tb", "\u{feff}a"] {
            assert!(has_hidden(hidden), "{hidden:?}");
        }
    }

    fn hostile() -> impl Strategy<Value = String> {
        let bad = prop::sample::select(vec![
            '\0',
            '\n',
            '\r',
            '\t',
            '\u{85}',
            '\u{9b}',
            '\u{202e}',
            '\u{2067}',
            '\u{200e}',
            '\u{61c}',
            '\u{feff}',
            '\u{2028}',
            '\u{2029}',
            '\u{e0020}',
            ' ',
            '…',
        ]);
        prop::collection::vec(prop_oneof![bad, any::<char>(), prop::char::range('a', 'f')], 0..120)
            .prop_map(|chars| chars.into_iter().collect())
    }

    proptest! {
        #[test]
        fn a_line_is_safe_capped_and_stays_what_it_is(text in hostile(), max in 0_usize..60) {
            let line = one_line(&text, max);
            prop_assert!(line.chars().count() <= max);
            prop_assert!(!line.chars().any(forbidden), "{line:?}");
            prop_assert_eq!(one_line(&line, max), line);
        }

        #[test]
        fn lines_are_safe_capped_and_stay_what_they_are(text in hostile(), max in 0_usize..60) {
            let body = lines(&text, max);
            prop_assert!(body.chars().count() <= max);
            prop_assert!(!body.chars().any(|c| c != '\n' && forbidden(c)), "{body:?}");
            prop_assert_eq!(lines(&body, max), body);
        }

        #[test]
        fn escaped_markup_reads_back_as_the_text(text in hostile()) {
            let escaped = escape_markup(&text);
            prop_assert!(!escaped.contains(['<', '>', '"', '\'']));
            let back = escaped.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'").replace("&amp;", "&");
            prop_assert_eq!(back, text);
        }
    }
}
