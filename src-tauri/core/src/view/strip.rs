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

#[cfg(test)]
mod tests {
    use super::*;
    use SpanKind::{Down, Off, Paused, Up};
    use proptest::prelude::*;

    const NOW: i64 = 1_800_000_000_000;
    const MINUTE: i64 = 60 * 1_000;
    const HOUR: i64 = 60 * MINUTE;

    /// Spans as (kind, begin and end in milliseconds before now), parts as (kind, length).
    fn check(spans: &[(SpanKind, i64, i64)], parts: &[(SpanKind, i64)], up_percent: Option<f64>) {
        let strip = Strip::from_spans(&spans.iter().map(|&span| ago(span)).collect::<Vec<_>>(), NOW);
        let found: Vec<_> = strip.parts.iter().map(|part| (part.kind, part.length_ms)).collect();
        assert_eq!(found, parts);
        assert_eq!(strip.up_percent, up_percent);
    }

    #[test]
    fn a_day_without_spans_is_off_and_has_no_uptime() {
        check(&[], &[(Off, DAY_MS)], None);
    }

    #[test]
    fn parts_are_as_long_as_their_spans_and_the_rest_is_off() {
        let spans = [(Up, 6 * HOUR, 4 * HOUR), (Down, 4 * HOUR, 3 * HOUR), (Paused, 3 * HOUR, HOUR), (Up, HOUR, 0)];
        let parts = [(Off, 18 * HOUR), (Up, 2 * HOUR), (Down, HOUR), (Paused, 2 * HOUR), (Up, HOUR)];
        check(&spans, &parts, Some(75.0));
    }

    #[test]
    fn a_span_that_lasts_reaches_to_now_and_one_from_before_the_day_is_cut() {
        let spans = [Span { kind: Up, from_ms: NOW - 40 * HOUR, until_ms: None }];
        let strip = Strip::from_spans(&spans, NOW);
        assert_eq!(strip, Strip { parts: vec![StripPart { kind: Up, length_ms: DAY_MS }], up_percent: Some(100.0) });
    }

    #[test]
    fn sleep_is_no_outage() {
        check(&[(Up, DAY_MS, 8 * HOUR)], &[(Up, 16 * HOUR), (Off, 8 * HOUR)], Some(100.0));
    }

    #[test]
    fn a_short_outage_is_drawn_as_long_as_can_be_seen_and_counted_as_it_was() {
        let outage = 4_000;
        let spans = [(Up, DAY_MS, HOUR), (Down, HOUR, HOUR - outage), (Up, HOUR - outage, 0)];
        let parts = [(Up, 23 * HOUR - (SEEN_MS - outage)), (Down, SEEN_MS), (Up, HOUR - outage)];
        #[expect(clippy::cast_precision_loss, reason = "a day has fewer milliseconds than 2^52")]
        let up_percent = (DAY_MS - outage) as f64 * 100.0 / DAY_MS as f64;
        check(&spans, &parts, Some(up_percent));
    }

    #[test]
    fn a_short_pause_is_joined_with_what_was_before() {
        let spans = [(Up, DAY_MS, 2 * HOUR), (Paused, 2 * HOUR, 2 * HOUR - MINUTE), (Up, 2 * HOUR - MINUTE, 0)];
        check(&spans, &[(Up, DAY_MS)], Some(100.0));
    }

    #[test]
    fn outages_close_together_become_one() {
        let mut spans = vec![(Up, DAY_MS, HOUR)];
        spans.extend((0..30).flat_map(|turn| {
            let from = HOUR - turn * 2 * MINUTE;
            [(Down, from, from - MINUTE), (Up, from - MINUTE, from - 2 * MINUTE)]
        }));
        let strip = Strip::from_spans(&spans.into_iter().map(ago).collect::<Vec<_>>(), NOW);
        let kinds: Vec<_> = strip.parts.iter().map(|part| part.kind).collect();
        assert_eq!(kinds, [Up, Down]);
    }

    #[test]
    fn a_day_of_outages_just_long_enough_to_be_seen_has_no_more_parts_than_allowed() {
        let spans: Vec<_> = (0..400)
            .map(|turn| (if turn % 2 == 0 { Up } else { Down }, DAY_MS - turn * SEEN_MS, DAY_MS - (turn + 1) * SEEN_MS))
            .map(ago)
            .collect();
        assert_eq!(timeline(&spans, NOW).len(), 400);
        let strip = Strip::from_spans(&spans, NOW);
        assert!((150..=MAX_PARTS).contains(&strip.parts.len()), "{}", strip.parts.len());
        assert_eq!(strip.up_percent, Some(50.0));
    }

    #[test]
    fn of_overlapping_spans_the_later_counts() {
        check(
            &[(Up, 5 * HOUR, 0), (Down, 4 * HOUR, 3 * HOUR)],
            &[(Off, 19 * HOUR), (Up, HOUR), (Down, HOUR), (Up, 3 * HOUR)],
            Some(80.0),
        );
    }

    #[test]
    fn a_week_of_one_link_failing_every_ten_seconds_is_drawn_at_once() {
        let spans: Vec<_> = (0..60_000)
            .map(|turn| Span {
                kind: if turn % 2 == 0 { Down } else { Up },
                from_ms: NOW - turn * 10_000,
                until_ms: None,
            })
            .collect();
        assert!(Strip::from_spans(&spans, NOW).parts.len() <= MAX_PARTS);
    }

    proptest! {
        #[test]
        fn parts_add_up_are_few_and_hide_no_outage(
            spans in prop::collection::vec(any_span(), 0..300),
            now in prop_oneof![Just(NOW), any::<i64>()],
        ) {
            let strip = Strip::from_spans(&spans, now);
            prop_assert_eq!(strip.parts.iter().map(|part| part.length_ms).sum::<i64>(), DAY_MS);
            prop_assert!(strip.parts.len() <= MAX_PARTS);
            prop_assert!(strip.parts.iter().all(|part| part.length_ms >= SEEN_MS));
            prop_assert!(strip.parts.windows(2).all(|pair| pair[0].kind != pair[1].kind));
            prop_assert!(strip.up_percent.is_none_or(|percent| (0.0..=100.0).contains(&percent)));
            let outage = timeline(&spans, now).iter().any(|&part| is_outage(part));
            prop_assert_eq!(outage, strip.parts.iter().any(|&part| is_outage(part)));
        }

        #[test]
        fn the_timeline_is_what_each_moment_was(spans in prop::collection::vec(any_span(), 0..12), moment in 0..DAY_MS) {
            let at = NOW - DAY_MS + moment;
            let covering = spans.iter().enumerate().filter(|(_, span)| {
                span.from_ms <= at && span.until_ms.is_none_or(|until| at < until)
            });
            let expected = covering.max_by_key(|(place, span)| (span.from_ms, *place)).map_or(Off, |(_, span)| span.kind);
            let mut end = 0;
            let found = timeline(&spans, NOW).into_iter().find(|part| { end += part.length_ms; moment < end });
            prop_assert_eq!(found.map(|part| part.kind), Some(expected));
        }
    }

    fn any_span() -> impl Strategy<Value = Span> {
        let kind = prop_oneof![Just(Up), Just(Down), Just(Paused), Just(Off)];
        let from = prop_oneof![NOW - 30 * HOUR..NOW + HOUR, NOW - HOUR..NOW, any::<i64>()];
        let until = prop_oneof![
            Just(None),
            (0..10 * MINUTE).prop_map(Some),
            (0..5 * HOUR).prop_map(Some),
            (-HOUR..0).prop_map(Some),
            Just(Some(i64::MAX)),
        ];
        (kind, from, until).prop_map(|(kind, from_ms, length)| Span {
            kind,
            from_ms,
            until_ms: length.map(|length| from_ms.saturating_add(length)),
        })
    }

    fn ago((kind, begin, end): (SpanKind, i64, i64)) -> Span {
        Span { kind, from_ms: NOW - begin, until_ms: (end > 0).then_some(NOW - end) }
    }
}
