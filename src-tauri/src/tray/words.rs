//! The tray's words. The window has its own catalogue; these are the few that are shown while there is no window.

use heartwire_core::settings::Language;
use heartwire_core::view::LinkState;

/// One language's words. `{…}` in the templates below is filled by the functions of [`Words`].
#[derive(Debug)]
pub struct Words {
    pub open: &'static str,
    pub settings: &'static str,
    pub reconnect: &'static str,
    pub pause: &'static str,
    pub resume: &'static str,
    pub pause_all: &'static str,
    pub resume_all: &'static str,
    pub quit: &'static str,
    pub nothing_configured: &'static str,
    pub everything_paused: &'static str,
    pub everything_stopped: &'static str,
    connected_of: &'static str,
    more: &'static str,
    others: &'static str,
    problems: [&'static str; 2],
    /// In the order of [`Words::state`].
    states: [&'static str; 6],
    /// Between a name and its state.
    pub colon: &'static str,
    /// Between the parts of a sentence.
    pub semicolon: &'static str,
}

const ENGLISH: Words = Words {
    open: "Open Heartwire",
    settings: "Settings…",
    reconnect: "Reconnect now",
    pause: "Pause",
    resume: "Resume",
    pause_all: "Pause all",
    resume_all: "Resume all",
    quit: "Quit",
    nothing_configured: "No connection is configured",
    everything_paused: "All connections are paused",
    everything_stopped: "No connection is running",
    connected_of: "{up} of {all} connected",
    more: "… {count} more",
    others: "{count} more not connected",
    problems: ["1 problem", "{count} problems"],
    states: ["connecting", "connected", "retrying", "needs you", "paused", "stopped"],
    colon: ": ",
    semicolon: "; ",
};

const SIMPLIFIED_CHINESE: Words = Words {
    open: "打开 Heartwire",
    settings: "设置…",
    reconnect: "立即重连",
    pause: "暂停",
    resume: "恢复",
    pause_all: "全部暂停",
    resume_all: "全部恢复",
    quit: "退出",
    nothing_configured: "尚未配置任何连接",
    everything_paused: "所有连接均已暂停",
    everything_stopped: "没有连接在运行",
    connected_of: "{all} 个连接中 {up} 个已连接",
    more: "… 还有 {count} 个",
    others: "另有 {count} 个未连接",
    problems: ["1 个问题", "{count} 个问题"],
    states: ["正在连接", "已连接", "等待重试", "需要您处理", "已暂停", "已停止"],
    colon: "：",
    semicolon: "；",
};

impl Words {
    /// The words of the language that the settings ask for; `locale` is the desktop's, such as `zh_CN.UTF-8`.
    pub fn of(language: Language, locale: &str) -> &'static Self {
        match language {
            Language::SimplifiedChinese => &SIMPLIFIED_CHINESE,
            Language::System if is_simplified_chinese(locale) => &SIMPLIFIED_CHINESE,
            Language::English | Language::System => &ENGLISH,
        }
    }

    /// `2 of 3 connected`.
    pub fn connected_of(&self, up: usize, all: usize) -> String {
        self.connected_of.replace("{up}", &up.to_string()).replace("{all}", &all.to_string())
    }

    /// `… 5 more`.
    pub fn more(&self, count: usize) -> String {
        self.more.replace("{count}", &count.to_string())
    }

    /// `5 more not connected`.
    pub fn others(&self, count: usize) -> String {
        self.others.replace("{count}", &count.to_string())
    }

    /// `2 problems`.
    pub fn problems(&self, count: usize) -> String {
        self.problems[usize::from(count != 1)].replace("{count}", &count.to_string())
    }

    /// A state in words.
    pub fn state(&self, state: LinkState) -> &'static str {
        let [connecting, connected, waiting, blocked, paused, stopped] = self.states;
        match state {
            LinkState::Connecting => connecting,
            LinkState::Connected => connected,
            LinkState::Waiting => waiting,
            LinkState::Blocked => blocked,
            LinkState::Paused => paused,
            LinkState::Stopped => stopped,
        }
    }
}

/// The words of popups that tell of several messages, in the desktop's language.
pub fn summary_words() -> heartwire_core::attention::Words {
    if is_simplified_chinese(&desktop_locale()) {
        heartwire_core::attention::Words::SimplifiedChinese
    } else {
        heartwire_core::attention::Words::English
    }
}

/// The desktop's locale (POSIX: the first of these that is set decides).
pub fn desktop_locale() -> String {
    let set = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().filter_map(|name| std::env::var(name).ok());
    set.into_iter().find(|value| !value.is_empty()).unwrap_or_default()
}

fn is_simplified_chinese(locale: &str) -> bool {
    let language = locale.split(['.', '@']).next().unwrap_or_default().replace('_', "-").to_lowercase();
    language == "zh" || ["zh-cn", "zh-sg", "zh-hans"].iter().any(|region| language.starts_with(region))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_language_follows_the_locale_and_traditional_chinese_is_not_simplified() {
        let check = |locale: &str, chinese: bool| {
            let quit = Words::of(Language::System, locale).quit;
            assert_eq!(quit == SIMPLIFIED_CHINESE.quit, chinese, "{locale}");
        };
        check("zh_CN.UTF-8", true);
        check("zh-Hans-CN", true);
        check("zh", true);
        check("zh_SG", true);
        check("zh_TW.UTF-8", false);
        check("en_US.UTF-8", false);
        check("C", false);
        check("", false);
        assert_eq!(Words::of(Language::SimplifiedChinese, "en").quit, SIMPLIFIED_CHINESE.quit);
        assert_eq!(Words::of(Language::English, "zh_CN").quit, ENGLISH.quit);
    }
}
