//! The window's TypeScript types are exactly those of the protocol: everything that can be reached from a request, a
//! reply or an event of the page, with the constants that it needs, in one file that is committed. Nothing is written
//! unless it is asked for.

#![cfg(feature = "bindings")]

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};

use heartwire_core::control::{Reply, Request, WindowView};
use heartwire_core::trial::TEST_LIMIT;
use heartwire_core::view::{SNAPSHOT_ROWS, Snapshot};
use ts_rs::{Config, TS, TypeVisitor};

const HEADER: &str = "// Generated from the protocol's Rust types; do not edit. After a change there:\n\
    // HEARTWIRE_WRITE_BINDINGS=1 cargo test -p heartwire-core --features bindings --test bindings\n";

#[test]
fn the_committed_bindings_are_those_of_the_protocol() {
    let generated = Declarations::new()
        .with::<Request>()
        .with::<Reply>()
        .with::<Snapshot>()
        .with::<WindowView>()
        .constant("SNAPSHOT_ROWS", SNAPSHOT_ROWS, "Rows that a snapshot carries at most.")
        .constant("TEST_LIMIT_MS", TEST_LIMIT.as_millis(), "How long a test may take, in milliseconds.")
        .into_file();
    let path = committed_path();
    if std::env::var_os("HEARTWIRE_WRITE_BINDINGS").is_some() {
        fs::write(&path, &generated).unwrap_or_else(|error| panic!("{} cannot be written: {error}", path.display()));
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    // Git may have checked the file out with the platform's line ends.
    assert!(
        committed.replace("\r\n", "\n") == generated,
        "{} is not what the Rust types say; run\n  HEARTWIRE_WRITE_BINDINGS=1 cargo test -p heartwire-core --features bindings --test bindings\nfirst difference: {}",
        path.display(),
        first_difference(&committed, &generated),
    );
}

#[test]
fn milliseconds_are_plain_numbers_and_optional_fields_may_be_left_out() {
    let generated = Declarations::new().with::<Request>().with::<Snapshot>().into_file();
    for expected in
        ["at_ms: number", "before: number | null", "every?: string", "export type LinkState = \"connecting\""]
    {
        assert!(generated.contains(expected), "{expected:?} is not in\n{generated}");
    }
    assert!(!generated.contains("bigint"), "JSON has no bigint:\n{generated}");
}

/// The declarations by name, so that their order does not depend on who refers to whom.
struct Declarations {
    config: Config,
    by_name: BTreeMap<String, String>,
}

impl Declarations {
    fn new() -> Self {
        Self { config: Config::new().with_large_int("number"), by_name: BTreeMap::new() }
    }

    fn with<T: TS + 'static>(mut self) -> Self {
        self.visit::<T>();
        self
    }

    /// A constant that the window has to know too.
    fn constant(mut self, name: &str, value: impl Display, docs: &str) -> Self {
        let declaration = format!("/**\n * {docs}\n */\nexport const {name} = {value};\n");
        self.by_name.insert(name.to_owned(), declaration);
        self
    }

    fn into_file(self) -> String {
        let mut file = HEADER.to_owned();
        for declaration in self.by_name.values() {
            file.push('\n');
            file.push_str(declaration);
        }
        file
    }
}

impl TypeVisitor for Declarations {
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        // Primitives and containers have no file of their own; what they contain is visited by itself.
        if T::output_path().is_none() {
            return;
        }
        let name = T::ident(&self.config);
        if self.by_name.contains_key(&name) {
            return;
        }
        let declaration = format!("{}export {}", T::docs().unwrap_or_default(), T::decl(&self.config));
        let lines: Vec<&str> = declaration.lines().map(str::trim_end).collect();
        self.by_name.insert(name, lines.join("\n") + "\n");
        T::visit_dependencies(self);
    }
}

fn committed_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ui/src/lib/bindings.ts")
}

fn first_difference(committed: &str, generated: &str) -> String {
    let mut there = committed.lines();
    for (index, here) in generated.lines().enumerate() {
        let line = there.next();
        if line != Some(here) {
            return format!("line {}: {:?} instead of {here:?}", index + 1, line.unwrap_or("nothing"));
        }
    }
    there.next().map_or_else(|| "none but line ends".to_owned(), |line| format!("{line:?} is too much"))
}
