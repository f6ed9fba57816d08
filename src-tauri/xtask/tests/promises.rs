//! The promises of the link stand in `docs/link.md`; here is held that each of them is the name of tests, in the places
//! that the page names, and that no test is named after a promise that nobody gives.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use xtask::dirs;

/// How many promises the link gives.
const PROMISES: u32 = 30;

/// A row of the page: the promise and where it is tested.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    number: u32,
    core: bool,
    driver: bool,
}

fn rows(page: &str) -> Vec<Row> {
    let row = |line: &str| {
        let cells: Vec<&str> = line.strip_prefix('|')?.split('|').map(str::trim).collect();
        let &[number, _, core, driver, ""] = &cells[..] else { return None };
        Some(Row { number: number.parse().ok()?, core: core == "yes", driver: driver == "yes" })
    };
    page.lines().filter_map(row).collect()
}

/// The promises that the tests below a folder are named after: `fn invariant_24_and_25_…` is named after both.
fn tested(folder: &Path) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    let Ok(entries) = fs::read_dir(folder) else { return found };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            found.append(&mut tested(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap_or_default();
            found
                .extend(text.match_indices("fn invariant_").flat_map(|(at, start)| numbers(&text[at + start.len()..])));
        }
    }
    found
}

/// `1_and_2_hold` is about 1 and 2.
fn numbers(name: &str) -> Vec<u32> {
    let mut words = name.split(|c: char| !c.is_ascii_alphanumeric()).peekable();
    let mut found = Vec::new();
    while let Some(number) = words.next().and_then(|word| word.parse().ok()) {
        found.push(number);
        if words.next_if_eq(&"and").is_none() {
            break;
        }
    }
    found
}

#[test]
fn every_promise_of_the_link_is_tested_where_the_page_says() {
    let page = fs::read_to_string(dirs::root().join("docs/link.md")).unwrap();
    let rows = rows(&page);
    assert_eq!(rows.iter().map(|row| row.number).collect::<Vec<_>>(), (1..=PROMISES).collect::<Vec<_>>());
    let core = tested(&dirs::root().join("src-tauri/core/tests"));
    let driver = tested(&dirs::root().join("src-tauri/engine/tests"));
    let said = |place: fn(&Row) -> bool| rows.iter().filter(|row| place(row)).map(|row| row.number).collect();
    let (said_core, said_driver): (BTreeSet<u32>, BTreeSet<u32>) = (said(|row| row.core), said(|row| row.driver));
    assert_eq!(core, said_core);
    assert_eq!(driver, said_driver);
}

#[test]
fn a_tests_name_tells_its_promises() {
    let check = |name: &str, expected: &[u32]| assert_eq!(numbers(name), expected, "{name}");
    check("11_the_old_socket()", &[11]);
    check("24_and_25_offline_never()", &[24, 25]);
    check("24_and_wider()", &[24]);
    check("x_1()", &[]);
}
