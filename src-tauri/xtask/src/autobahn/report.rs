//! The suite's results: read from its reports, counted, and written as the part of the page that is not prose.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::command::Failure;

/// The agents' names, as the client gives them: the whole link, and the framing below it.
const LINK: &str = "Heartwire";
const FRAMING: &str = "Heartwire-framing";

const BEGIN: &str = "<!-- results: written by `cargo xtask autobahn` -->";
const END: &str = "<!-- end of results -->";

/// The suite's groups and what they are about; 8 and 11 do not exist, 12 and 13 are compression.
const GROUPS: [(u32, &str); 9] = [
    (1, "text and binary messages"),
    (2, "pings and pongs"),
    (3, "reserved bits"),
    (4, "reserved opcodes"),
    (5, "fragmentation"),
    (6, "UTF-8"),
    (7, "closing"),
    (9, "large and many messages"),
    (10, "a message fragmented by the sender"),
];

/// What the suite calls a case's outcome, the best first.
const OUTCOMES: [&str; 5] = ["OK", "NON-STRICT", "INFORMATIONAL", "UNIMPLEMENTED", "FAILED"];

/// What the app's links do not do, and a case needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beyond {
    /// To send a binary frame.
    Binary,
    /// To take a message above 1 MiB.
    Larger,
}

/// What the client's line says of a case that is beyond the link.
pub(super) fn case_line(line: &str) -> Option<(String, Beyond)> {
    let (case, why) = line.strip_prefix("case ")?.split_once(' ')?;
    let why = match why {
        "binary" => Beyond::Binary,
        "larger" => Beyond::Larger,
        _ => return None,
    };
    Some((case.to_owned(), why))
}

/// A case's numbers, in their order.
type Case = Vec<u32>;

/// All results of a run.
#[derive(Debug)]
pub(super) struct Report {
    link: BTreeMap<Case, Outcome>,
    framing: BTreeMap<Case, Outcome>,
    beyond: BTreeMap<Case, Beyond>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Outcome {
    behavior: String,
    close: String,
    description: String,
}

impl Outcome {
    /// The worse of what was done before the close and of the close itself.
    fn word(&self) -> &str {
        let close_is_right = ["OK", "INFORMATIONAL"].contains(&self.close.as_str());
        if close_is_right || self.behavior == "FAILED" { &self.behavior } else { &self.close }
    }
}

impl Report {
    /// Reads what the suite wrote into this folder.
    pub(super) fn read(folder: &Path, beyond: BTreeMap<String, Beyond>) -> Result<Self, Failure> {
        let index = read_json(&folder.join("index.json"))?;
        let of = |agent: &str| -> Result<BTreeMap<Case, Outcome>, Failure> {
            let cases = index[agent].as_object();
            let cases = cases.ok_or_else(|| Failure::new(format!("the suite has no results of {agent}")))?;
            cases.iter().map(|(id, entry)| Ok((numbers(id)?, outcome(folder, entry)?))).collect()
        };
        let beyond = beyond.into_iter().map(|(id, why)| Ok((numbers(&id)?, why)));
        Ok(Self { link: of(LINK)?, framing: of(FRAMING)?, beyond: beyond.collect::<Result<_, Failure>>()? })
    }

    /// A failure that names every case that failed, in either way.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let failed = |(case, outcome): (&Case, &Outcome)| {
            (!OUTCOMES[..3].contains(&outcome.word())).then(|| format!("{} ({})", id(case), outcome.word()))
        };
        let failed: Vec<_> = self.link.iter().chain(&self.framing).filter_map(failed).collect();
        if failed.is_empty() {
            return Ok(());
        }
        Err(Failure::new(format!("Cases of the Autobahn suite failed: {}.", failed.join(", "))))
    }

    /// Both counts, for the terminal.
    pub(super) fn summary(&self) -> String {
        format!("the link: {}\nthe framing alone: {}", counted(self.link.values()), counted(self.framing.values()))
    }

    /// The generated part of the page.
    pub(super) fn page(&self, versions: &str) -> String {
        let mut page = format!("{versions}.\n\n| cases | about | how many | the link | the framing alone |\n");
        page.push_str("| --- | --- | --- | --- | --- |\n");
        for (group, about) in GROUPS {
            let of = |agent: &BTreeMap<Case, Outcome>| {
                let outcomes = agent.iter().filter(|(case, _)| case.first() == Some(&group));
                counted(outcomes.map(|(_, outcome)| outcome))
            };
            let count = self.link.keys().filter(|case| case.first() == Some(&group)).count();
            let _ = writeln!(page, "| {group}.* | {about} | {count} | {} | {} |", of(&self.link), of(&self.framing));
        }
        let _ = writeln!(
            page,
            "| all | | {} | {} | {} |\n",
            self.link.len(),
            counted(self.link.values()),
            counted(self.framing.values())
        );
        page.push_str("| not OK | what the server does | the link | the framing alone | why |\n");
        page.push_str("| --- | --- | --- | --- | --- |\n");
        let is_ok = |case: &Case, agent: &BTreeMap<Case, Outcome>| agent.get(case).is_some_and(|it| it.word() == "OK");
        let cases: BTreeSet<&Case> = self.link.keys().chain(self.framing.keys()).collect();
        for case in cases.into_iter().filter(|case| !is_ok(case, &self.link) || !is_ok(case, &self.framing)) {
            let word =
                |agent: &BTreeMap<Case, Outcome>| agent.get(case).map_or("not run", Outcome::word).to_lowercase();
            let about = self.link.get(case).map_or("", |outcome| &outcome.description);
            let (link, framing) = (word(&self.link), word(&self.framing));
            let _ = writeln!(page, "| {} | {about} | {link} | {framing} | {} |", id(case), why(case));
        }
        let _ = write!(
            page,
            "\nIn the link's column these ran by the framing, because a link sends only text: {}. These ran by a link with room for \
             16 MiB, because the app's limit is 1 MiB a message: {}.",
            self.listed(Beyond::Binary),
            self.listed(Beyond::Larger)
        );
        page
    }

    /// The cases that are beyond the link in this, neighbours as one.
    fn listed(&self, beyond: Beyond) -> String {
        let mut spans: Vec<(&Case, &Case)> = Vec::new();
        for (case, _) in self.beyond.iter().filter(|(_, why)| **why == beyond) {
            match spans.last_mut() {
                Some((_, last)) if follows(last, case) => *last = case,
                _ => spans.push((case, case)),
            }
        }
        let words = spans.iter().map(
            |(first, last)| {
                if first == last { id(first) } else { format!("{} to {}", id(first), id(last)) }
            },
        );
        words.collect::<Vec<_>>().join(", ")
    }
}

/// Why a case is not OK, as far as that is understood.
fn why(case: &Case) -> &'static str {
    match case[..] {
        [3..=5, ..] => "closed before the consumer can answer, see below",
        [6, 4, _] => "UTF-8 is checked with each frame, not with each piece of one",
        [7, 1, 6] => "left open by the suite: a close right behind a message",
        [7, 13, _] => "left open by RFC 6455: a code out of range; we close with 1002",
        _ => "not yet understood",
    }
}

/// The page with other results between its marks.
pub(super) fn with_results(page: &str, results: &str) -> Result<String, Failure> {
    let parts = page.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = parts.ok_or_else(|| Failure::new(format!("the page lacks the lines {BEGIN} and {END}")))?;
    Ok(format!("{before}{BEGIN}\n{results}\n{END}{after}"))
}

fn counted<'a>(outcomes: impl Iterator<Item = &'a Outcome>) -> String {
    let mut counts: BTreeMap<(usize, &str), usize> = BTreeMap::new();
    for outcome in outcomes {
        let word = outcome.word();
        let order = OUTCOMES.iter().position(|known| *known == word).unwrap_or(OUTCOMES.len());
        *counts.entry((order, word)).or_default() += 1;
    }
    let shown = |word: &str| if word == "OK" { word.to_owned() } else { word.to_lowercase() };
    counts.iter().map(|((_, word), count)| format!("{count} {}", shown(word))).collect::<Vec<_>>().join(", ")
}

fn outcome(folder: &Path, entry: &Value) -> Result<Outcome, Failure> {
    let text =
        |value: &Value| value.as_str().map(str::to_owned).ok_or_else(|| Failure::new("the suite's report has changed"));
    let details = read_json(&folder.join(text(&entry["reportfile"])?))?;
    Ok(Outcome {
        behavior: text(&entry["behavior"])?,
        close: text(&entry["behaviorClose"])?,
        description: plain(&text(&details["description"])?),
    })
}

/// The first paragraph of the suite's HTML, without its tags, safe in a table.
fn plain(html: &str) -> String {
    let first = html.split("<br>").next().unwrap_or(html);
    let mut inside = false;
    let kept = first.chars().filter(|c| {
        inside |= *c == '<';
        let keep = !inside;
        inside &= *c != '>';
        keep
    });
    kept.collect::<String>().replace('|', "\\|").split_whitespace().collect::<Vec<_>>().join(" ")
}

fn numbers(id: &str) -> Result<Case, Failure> {
    let numbers: Option<Case> = id.split('.').map(|number| number.parse().ok()).collect();
    numbers.ok_or_else(|| Failure::new(format!("the suite has a case {id:?}, which is no list of numbers")))
}

fn id(case: &Case) -> String {
    case.iter().map(ToString::to_string).collect::<Vec<_>>().join(".")
}

fn follows(last: &Case, next: &Case) -> bool {
    match (last.split_last(), next.split_last()) {
        (Some((a, before)), Some((b, same))) => before == same && a + 1 == *b,
        _ => false,
    }
}

fn read_json(path: &Path) -> Result<Value, Failure> {
    let text = fs::read_to_string(path).map_err(Failure::io(format!("reading {}", path.display())))?;
    serde_json::from_str(&without_surrogates(&text))
        .map_err(|error| Failure::new(format!("{} is no JSON: {error}", path.display())))
}

/// The cases about UTF-8 leave halves of surrogate pairs in the suite's reports, which no JSON text may have (RFC 8259,
/// section 7). Nothing that is read of a report has a whole pair.
fn without_surrogates(json: &str) -> String {
    let mut pieces = json.split("\\u");
    let mut kept = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let surrogate = matches!(piece.as_bytes(), [b'd' | b'D', b'8'..=b'9' | b'a'..=b'f' | b'A'..=b'F', _, _, ..]);
        kept.push_str("\\u");
        kept.push_str(if surrogate { "fffd" } else { "" });
        kept.push_str(if surrogate { piece.get(4..).unwrap_or_default() } else { piece });
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(link: &[(&str, &str, &str)], beyond: &[(&str, Beyond)]) -> Report {
        let folder = tempfile::tempdir().unwrap();
        let mut index = serde_json::json!({ LINK: {}, FRAMING: {} });
        for (case, behavior, close) in link {
            let entry = serde_json::json!({ "behavior": behavior, "behaviorClose": close, "reportfile": "case.json" });
            index[LINK][case] = entry;
            index[FRAMING][case] =
                serde_json::json!({ "behavior": "OK", "behaviorClose": "OK", "reportfile": "case.json" });
        }
        fs::write(folder.path().join("index.json"), index.to_string()).unwrap();
        let details = r#"{"description":"Send <b>a|b</b>\nonce.<br><br>More."}"#;
        fs::write(folder.path().join("case.json"), details).unwrap();
        let beyond = beyond.iter().map(|(case, why)| ((*case).to_owned(), *why)).collect();
        Report::read(folder.path(), beyond).unwrap()
    }

    #[test]
    fn the_page_counts_by_group_and_lists_what_is_not_ok() {
        let cases = [("3.2", "NON-STRICT", "OK"), ("3.10", "OK", "OK"), ("7.13.1", "INFORMATIONAL", "INFORMATIONAL")];
        let report = report(&cases, &[]);
        let page = report.page("versions");
        assert!(page.contains("| 3.* | reserved bits | 2 | 1 OK, 1 non-strict | 2 OK |"), "{page}");
        assert!(page.contains("| all | | 3 | 1 OK, 1 non-strict, 1 informational | 3 OK |"), "{page}");
        assert!(page.contains("\n| 3.2 | Send a\\|b once. | non-strict | ok | closed before"), "{page}");
        assert!(!page.contains("\n| 3.10 |"), "{page}");
        report.check().unwrap();
    }

    #[test]
    fn a_wrong_close_counts_as_much_as_wrong_behavior() {
        let cases = [("1.1.1", "OK", "WRONG CODE"), ("1.1.2", "FAILED", "OK"), ("1.1.3", "OK", "OK")];
        let failure = report(&cases, &[]).check().unwrap_err();
        assert_eq!(failure.to_string(), "Cases of the Autobahn suite failed: 1.1.1 (WRONG CODE), 1.1.2 (FAILED).");
    }

    #[test]
    fn cases_beyond_the_link_are_listed_with_neighbours_as_one() {
        let lines =
            ["case 1.2.1 binary", "case 1.2.2 binary", "case 1.2.10", "case 9.1.4 larger", "case 1.2.4 binary", "?"];
        let beyond: BTreeMap<_, _> = lines.into_iter().filter_map(case_line).collect();
        let beyond: Vec<_> = beyond.iter().map(|(case, why)| (case.as_str(), *why)).collect();
        let report = report(&[], &beyond);
        assert_eq!(report.listed(Beyond::Binary), "1.2.1 to 1.2.2, 1.2.4");
        assert_eq!(report.listed(Beyond::Larger), "9.1.4");
    }

    #[test]
    fn half_a_surrogate_pair_does_not_spoil_a_report() {
        let json = r#"{"a":"\ud83d","b":"\uD800x\u00e4","c":"\\ud800"}"#;
        let value: Value = serde_json::from_str(&without_surrogates(json)).unwrap();
        assert_eq!([&value["a"], &value["b"]], ["\u{fffd}", "\u{fffd}xä"]);
        assert_eq!(value["c"], "\\ufffd");
    }

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let page = format!("before\n{BEGIN}\nold\n{END}\nafter\n");
        assert_eq!(with_results(&page, "new").unwrap(), format!("before\n{BEGIN}\nnew\n{END}\nafter\n"));
        assert!(with_results("no marks", "new").is_err());
    }
}
