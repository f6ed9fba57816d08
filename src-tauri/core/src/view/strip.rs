//! The strip of the last 24 hours: from spans as they were recorded, which may overlap after a jump of the wall clock,
//! to parts that add up and can be seen.

use std::collections::BinaryHeap;

use super::{Span, SpanKind, Strip, StripPart};

/// The length of a strip.
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
/// The shortest part that can be seen, and the least an outage is drawn with.
const SEEN_MS: i64 = DAY_MS / 400;
/// See [`Strip::parts`].
const MAX_PARTS: usize = 200;

impl Strip {
    /// The 24 hours before `now_ms`, oldest first. Time without a span is [`SpanKind::Off`]; where spans overlap, the
    /// one that began later counts, and of two that began together the one that stands later. `up_percent` is taken
    /// before anything is joined.
    pub fn from_spans(spans: &[Span], now_ms: i64) -> Self {
        let mut parts = timeline(spans, now_ms);
        let up_percent = up_percent(&parts);
        parts = join_short(parts);
        grow_outages(&mut parts);
        parts = join_short(parts);
        while parts.len() > MAX_PARTS {
            parts = join_shortest(parts);
        }
        Self { parts, up_percent }
    }
}

/// What each moment of the day was, as parts that add up to it exactly.
fn timeline(spans: &[Span], now_ms: i64) -> Vec<StripPart> {
    let start = now_ms.saturating_sub(DAY_MS);
    let offset = |at: i64| at.saturating_sub(start).clamp(0, DAY_MS);
    // (begin as recorded, place, begin, end): the greatest active one counts.
    let mut clipped: Vec<(i64, usize, i64, i64, SpanKind)> = spans
        .iter()
        .enumerate()
        .map(|(place, span)| {
            (span.from_ms, place, offset(span.from_ms), span.until_ms.map_or(DAY_MS, offset), span.kind)
        })
        .filter(|&(_, _, begin, end, _)| begin < end)
        .collect();
    clipped.sort_unstable_by_key(|&(from, place, ..)| (from, place));
    let mut edges: Vec<i64> = clipped.iter().flat_map(|&(_, _, begin, end, _)| [begin, end]).collect();
    edges.extend([0, DAY_MS]);
    edges.sort_unstable();
    edges.dedup();

    let mut parts = Vec::new();
    let mut active: BinaryHeap<(i64, usize, i64)> = BinaryHeap::new();
    let mut coming = clipped.iter().enumerate().peekable();
    for edge in edges.windows(2) {
        let &[begin, end] = edge else { continue };
        while let Some((index, span)) = coming.next_if(|(_, span)| span.2 <= begin) {
            active.push((span.0, index, span.3));
        }
        while active.peek().is_some_and(|&(_, _, until)| until <= begin) {
            active.pop();
        }
        let kind = active.peek().map_or(SpanKind::Off, |&(_, index, _)| clipped[index].4);
        push(&mut parts, StripPart { kind, length_ms: end - begin });
    }
    parts
}

/// Time up over time up or down.
fn up_percent(parts: &[StripPart]) -> Option<f64> {
    let total = |kind| parts.iter().filter(|part| part.kind == kind).map(|part| part.length_ms).sum::<i64>();
    let (up, down) = (total(SpanKind::Up), total(SpanKind::Down));
    #[expect(clippy::cast_precision_loss, reason = "a day has fewer milliseconds than 2^52")]
    (up + down > 0).then(|| up as f64 * 100.0 / (up + down) as f64)
}

/// Gives parts too short to be seen to a neighbour. Outages keep theirs, and take one only where both neighbours are
/// outages, so that none grows while something else is at hand.
fn join_short(parts: Vec<StripPart>) -> Vec<StripPart> {
    let mut joined: Vec<StripPart> = Vec::with_capacity(parts.len());
    let mut rest = parts.into_iter().peekable();
    while let Some(part) = rest.next() {
        if is_outage(part) || part.length_ms >= SEEN_MS {
            push(&mut joined, part);
            continue;
        }
        let before = joined.last_mut();
        let after = rest.peek_mut();
        let heir = match (before, after) {
            (Some(before), Some(after)) => {
                if is_outage(*before) && !is_outage(*after) {
                    after
                } else {
                    before
                }
            }
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => {
                push(&mut joined, part);
                continue;
            }
        };
        heir.length_ms += part.length_ms;
    }
    joined
}

/// Lengthens outages that could not be seen, at the cost of their neighbours, the longer one first.
fn grow_outages(parts: &mut Vec<StripPart>) {
    for place in 0..parts.len() {
        if !is_outage(parts[place]) || parts[place].length_ms >= SEEN_MS {
            continue;
        }
        let before = place.checked_sub(1);
        let after = Some(place + 1).filter(|&after| after < parts.len());
        let mut neighbours: Vec<usize> = before.into_iter().chain(after).collect();
        neighbours.sort_by_key(|&neighbour| -parts[neighbour].length_ms);
        for neighbour in neighbours {
            let taken = (SEEN_MS - parts[place].length_ms).clamp(0, parts[neighbour].length_ms);
            parts[neighbour].length_ms -= taken;
            parts[place].length_ms += taken;
        }
    }
    let grown = std::mem::take(parts);
    for part in grown.into_iter().filter(|part| part.length_ms > 0) {
        push(parts, part);
    }
}

/// Gives the shortest part that is no outage to its neighbours' kind.
fn join_shortest(mut parts: Vec<StripPart>) -> Vec<StripPart> {
    let shortest =
        (0..parts.len()).filter(|&place| !is_outage(parts[place])).min_by_key(|&place| parts[place].length_ms);
    if let Some(place) = shortest {
        let neighbour = if place > 0 { place - 1 } else { place + 1 };
        if let Some(kind) = parts.get(neighbour).map(|part| part.kind) {
            parts[place].kind = kind;
        }
    }
    let mut joined = Vec::with_capacity(parts.len());
    for part in parts {
        push(&mut joined, part);
    }
    joined
}

fn is_outage(part: StripPart) -> bool {
    part.kind == SpanKind::Down
}

/// Appends a part, or lengthens the last one if it is of the same kind.
fn push(parts: &mut Vec<StripPart>, part: StripPart) {
    match parts.last_mut() {
        Some(last) if last.kind == part.kind => last.length_ms += part.length_ms,
        _ => parts.push(part),
    }
}
