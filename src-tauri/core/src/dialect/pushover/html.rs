//! The text of a message in Pushover's HTML (<https://pushover.net/api#html>): the tags `b`, `i`, `u`, `font` and `a`.

/// The text without its tags; the target of a link stands behind it. What is no such tag stays as it is. Takes time in
/// proportion to the length.
pub(super) fn text(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut target = None;
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        let (before, tag) = rest.split_at(at);
        out.push_str(&unescaped(before));
        // A tag has no `<` inside, so nothing is looked through twice.
        let inside = &tag[1..];
        let end = inside.find(['<', '>']).filter(|&end| inside[end..].starts_with('>'));
        let Some((inside, behind)) = end.map(|end| (&inside[..end], &inside[end + 1..])) else {
            out.push('<');
            rest = inside;
            continue;
        };
        rest = behind;
        match inside.split_whitespace().next().unwrap_or_default().to_ascii_lowercase().as_str() {
            "a" => target = href(inside).map(|href| (out.len(), unescaped(href))),
            "/a" => {
                if let Some((from, href)) = target.take().filter(|(from, href)| out[*from..] != *href) {
                    out.push_str(if out[from..].is_empty() { "" } else { " " });
                    out.push_str(&href);
                }
            }
            "b" | "/b" | "i" | "/i" | "u" | "/u" | "font" | "/font" => {}
            _ => out.extend(["<", inside, ">"]),
        }
    }
    out.push_str(&unescaped(rest));
    out
}

fn href(tag: &str) -> Option<&str> {
    let (_, value) = tag.split_once("href=")?;
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    value[1..].split_once(quote).map(|(href, _)| href).filter(|href| !href.is_empty())
}

fn unescaped(text: &str) -> String {
    // The ampersand last, or `&amp;lt;` would become a sign that nobody wrote.
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    entities.iter().fold(text.to_owned(), |text, (entity, sign)| text.replace(entity, sign))
}
