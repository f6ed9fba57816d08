//! The offsets that servers end their events with, in the forms of the adapters that can recover a session. Each begins with
//! the time, so that none comes twice.

/// When connection state recovery came (socket.io 4.6.0, in 2023), and long after now: 2023-01-01 and 2048-01-01 in UTC, in
/// milliseconds. A word that has the form of an offset hardly ever gives a time between these.
const KNOWN: std::ops::Range<i64> = 1_672_531_200_000..2_461_449_600_000;

/// The digits of the adapter in memory (`contrib/yeast.ts` of socket.io-adapter).
const DIGITS: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";

/// When the server sent what has this offset, in milliseconds since the Unix epoch. None: it is no offset.
pub(super) fn sent_ms(given: &str) -> Option<i64> {
    [in_memory, of_redis, of_mongo].iter().find_map(|form| form(given)).filter(|at| KNOWN.contains(at))
}

/// The time, and a count within the millisecond: `PvZ3f_b`, `PvZ3f_b.0`.
fn in_memory(given: &str) -> Option<i64> {
    let (time, count) = given.split_once('.').unwrap_or((given, "0"));
    if time.len() != 7 || !(1..=7).contains(&count.len()) {
        return None;
    }
    number(count).and(number(time))
}

fn number(digits: &str) -> Option<i64> {
    digits.bytes().try_fold(0, |sum: i64, digit| {
        let value = DIGITS.iter().position(|&known| known == digit)?;
        Some(sum * 64 + i64::try_from(value).ok()?)
    })
}

/// The id of an entry in a stream of Redis: `1699999999999-0`.
fn of_redis(given: &str) -> Option<i64> {
    let (time, count) = given.split_once('-')?;
    let are_digits =
        |text: &str| !text.is_empty() && text.len() <= 20 && text.bytes().all(|byte| byte.is_ascii_digit());
    (are_digits(time) && are_digits(count)).then(|| time.parse().ok())?
}

/// The id of a document of `MongoDB`, which begins with the seconds: 24 hexadecimal digits.
fn of_mongo(given: &str) -> Option<i64> {
    let is_id = given.len() == 24 && given.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let seconds = i64::from_str_radix(given.get(..8).filter(|_| is_id)?, 16).ok()?;
    seconds.checked_mul(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_tells_when_it_was_given() {
        let check = |given: &str, expected: Option<i64>| assert_eq!(sent_ms(given), expected, "{given}");
        check("PkKf3dW", Some(1_767_725_349_344));
        check("PkKf3dW.0", Some(1_767_725_349_344));
        check("PkKf3dW._z", Some(1_767_725_349_344));
        check("1699999999999-0", Some(1_699_999_999_999));
        check("1699999999999-18446744073709551615", Some(1_699_999_999_999));
        check("655000a9f1d2c3b4a5968778", Some(1_699_741_865_000));
        for word in ["", "P", "started", "offline", "hello, all", "PkKf3dé", "PkKf3dW.", "PkKf3dW.12345678"] {
            check(word, None);
        }
        for other in [
            "0000000",
            "_______",
            "1-1",
            "1699999999999-",
            "-0",
            "655000A9F1D2C3B4A5968778",
            "000000000000000000000000",
        ] {
            check(other, None);
        }
    }
}
