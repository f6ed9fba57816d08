//! Every dialect against hostile servers, a little of what `cargo xtask fuzz` does. One test alone in its program: it counts
//! what is allocated.

use std::io::{self, Write};

use heartwire_core::dialect;
use heartwire_sim::fuzz::{self, Large};
use peak_alloc::PeakAlloc;

#[global_allocator]
static COUNTED: PeakAlloc = PeakAlloc;

const INPUTS: u64 = if cfg!(debug_assertions) { 2_000 } else { 20_000 };

#[test]
fn no_server_makes_a_dialect_panic_or_hang_or_take_much_memory() {
    fuzz::watch(|words| {
        // Past the test's own output, since the process ends.
        let _ = writeln!(io::stderr(), "{words}");
    });
    for spec in dialect::ALL.iter().copied() {
        let good = fuzz::conversation(spec).unwrap_or_else(|found| panic!("{found}"));
        assert!(good.ready > 0 && good.ready == good.sockets && good.messages > 0, "{}: {good:?}", spec.name);
        let [one, again] = [1, 1].map(|seed| fuzz::sessions(spec, seed, 100).unwrap_or_else(|found| panic!("{found}")));
        let counts = [&one, &again].map(|seen| (seen.inputs, seen.sockets, seen.ready, seen.messages));
        assert_eq!(counts[0], counts[1], "{}: a seed is a session", spec.name);
        let small = fuzz::sessions(spec, 0, INPUTS).unwrap_or_else(|found| panic!("{found}"));
        assert!(small.inputs >= INPUTS && small.ready > small.sockets / 4, "{}: {small:?}", spec.name);
        assert!(small.messages > INPUTS / 20 && small.memory > 0, "{}: {small:?}", spec.name);
        let large = fuzz::large(spec, Large::Some).unwrap_or_else(|found| panic!("{found}"));
        assert!(large.inputs > 50, "{}: {large:?}", spec.name);
        writeln!(io::stdout(), "{}: {small:?}, {large:?}", spec.name).unwrap();
    }
}
