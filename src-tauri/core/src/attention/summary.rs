//! One popup for many messages, and its words.

use std::collections::BTreeMap;

/// The language of what a popup says besides the server's own text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Words {
    /// English.
    #[default]
    English,
    /// Chinese in simplified characters.
    SimplifiedChinese,
}

/// One popup for many messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// How many messages of which connection, by name; under an empty name those of connections not told apart.
    pub counts: BTreeMap<String, u64>,
    /// They are all that one connection missed; else they are what popups of their own would have been too many for.
    pub missed: bool,
    /// The title of the newest of them; empty if it is not known.
    pub latest_title: String,
    /// The smallest row among them; [`super::NOT_STORED`] if none of them has one.
    pub first_id: i64,
}

impl Summary {
    /// How many messages it stands for.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// The popup's title, such as `37 more messages from crm` or `12 missed messages from crm`.
    pub fn title(&self, words: Words) -> String {
        let total = self.total();
        let mut names = self.counts.keys();
        match (names.next().map(String::as_str), names.len()) {
            (Some(name), 0) if self.missed => words.missed(total, name),
            (Some("") | None, 0) => words.more(total),
            (Some(name), 0) => words.more_from_one(total, name),
            (Some(""), _) => words.more_from_several(total),
            (_, others) => words.more_from(total, others + 1),
        }
    }

    /// The popup's body: the newest title and, of several connections, how many messages each had.
    pub fn body(&self, words: Words) -> String {
        let mut lines = Vec::new();
        if !self.latest_title.is_empty() {
            lines.push(words.labelled(words.latest(), &self.latest_title));
        }
        if self.counts.len() > 1 {
            let (unnamed, named): (Vec<_>, Vec<_>) = self.counts.iter().partition(|(name, _)| name.is_empty());
            lines.extend(named.iter().map(|(name, count)| words.labelled(name, &count.to_string())));
            lines.extend(unnamed.iter().map(|(_, count)| words.labelled(words.others(), &count.to_string())));
        }
        lines.join("\n")
    }
}

impl Words {
    fn more(self, total: u64) -> String {
        match self {
            Self::English => format!("{total} more {}", english_messages(total)),
            Self::SimplifiedChinese => format!("另有 {total} 条消息"),
        }
    }

    fn missed(self, total: u64, connection: &str) -> String {
        match self {
            Self::English => format!("{total} missed {} from {connection}", english_messages(total)),
            Self::SimplifiedChinese => format!("错过了 {total} 条来自 {connection} 的消息"),
        }
    }

    fn more_from_one(self, total: u64, connection: &str) -> String {
        match self {
            Self::English => format!("{} from {connection}", self.more(total)),
            Self::SimplifiedChinese => format!("另有 {total} 条来自 {connection} 的消息"),
        }
    }

    fn more_from(self, total: u64, connections: usize) -> String {
        match self {
            Self::English => format!("{} from {connections} connections", self.more(total)),
            Self::SimplifiedChinese => format!("另有 {total} 条来自 {connections} 个连接的消息"),
        }
    }

    fn more_from_several(self, total: u64) -> String {
        match self {
            Self::English => format!("{} from several connections", self.more(total)),
            Self::SimplifiedChinese => format!("另有 {total} 条来自多个连接的消息"),
        }
    }

    fn latest(self) -> &'static str {
        match self {
            Self::English => "Latest",
            Self::SimplifiedChinese => "最新",
        }
    }

    fn others(self) -> &'static str {
        match self {
            Self::English => "Other connections",
            Self::SimplifiedChinese => "其他连接",
        }
    }

    fn labelled(self, label: &str, text: &str) -> String {
        match self {
            Self::English => format!("{label}: {text}"),
            Self::SimplifiedChinese => format!("{label}：{text}"),
        }
    }
}

fn english_messages(count: u64) -> &'static str {
    if count == 1 { "message" } else { "messages" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_told_in_the_language_of_the_person() {
        let check = |words, counts: &[(&str, u64)], latest: &str, title: &str, body: &str| {
            let counts = counts.iter().map(|&(name, count)| (name.to_owned(), count)).collect();
            let summary = Summary { counts, missed: false, latest_title: latest.to_owned(), first_id: 1 };
            assert_eq!((summary.title(words).as_str(), summary.body(words).as_str()), (title, body));
        };
        let english = Words::English;
        check(english, &[("crm", 1)], "Order 7", "1 more message from crm", "Latest: Order 7");
        check(english, &[("crm", 37)], "", "37 more messages from crm", "");
        check(english, &[("a", 1), ("b", 2)], "T", "3 more messages from 2 connections", "Latest: T\na: 1\nb: 2");
        check(english, &[("", 4)], "", "4 more messages", "");
        check(english, &[], "", "0 more messages", "");
        let body = "a: 1\nOther connections: 4";
        check(english, &[("", 4), ("a", 1)], "", "5 more messages from several connections", body);

        let chinese = Words::SimplifiedChinese;
        check(chinese, &[("crm", 1)], "订单 7", "另有 1 条来自 crm 的消息", "最新：订单 7");
        check(chinese, &[("a", 1), ("b", 2)], "T", "另有 3 条来自 2 个连接的消息", "最新：T\na：1\nb：2");
        check(chinese, &[("", 4)], "", "另有 4 条消息", "");
        check(chinese, &[("", 4), ("a", 1)], "", "另有 5 条来自多个连接的消息", "a：1\n其他连接：4");
    }
    #[test]
    fn what_a_connection_missed_is_called_so() {
        let check = |words, count, title: &str, body: &str| {
            let counts = BTreeMap::from([("crm".to_owned(), count)]);
            let summary = Summary { counts, missed: true, latest_title: "Order 7".to_owned(), first_id: 1 };
            assert_eq!((summary.title(words).as_str(), summary.body(words).as_str()), (title, body));
        };
        check(Words::English, 12, "12 missed messages from crm", "Latest: Order 7");
        check(Words::SimplifiedChinese, 12, "错过了 12 条来自 crm 的消息", "最新：Order 7");
    }
}
