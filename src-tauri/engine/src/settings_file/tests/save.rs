//! What saving changes and what it leaves.

use std::path::PathBuf;

use heartwire_core::settings::{FieldErrorCode, HeartbeatForm, Language, ReconnectForm, ReplyForm};

use super::*;

#[test]
fn saving_changes_what_was_changed_and_nothing_else() {
    let home = home(COMMENTED);
    let mut changed = form("office", "wss://new/x");
    changed.heartbeat = Some(HeartbeatForm {
        every: Some("5s".to_owned()),
        timeout: Some("6s".to_owned()),
        ..HeartbeatForm::default()
    });
    changed.reconnect = Some(ReconnectForm { fixed: Some("3s".to_owned()), ..ReconnectForm::default() });
    save_connection(home.file(), Some("office"), &changed).unwrap();
    let expected = COMMENTED
        .replace("url = 'ws://office/x'   # the old one", "url = \"wss://new/x\"   # the old one")
        .replace("timeout = \"5s\"\n", "timeout = \"6s\"\n\n[connections.reconnect]\nfixed = \"3s\"\n");
    assert_eq!(home.text(), expected);
}

#[test]
fn saving_what_is_there_changes_no_byte() {
    let home = home(COMMENTED);
    let mut same = form("office", "ws://office/x");
    same.heartbeat = Some(HeartbeatForm {
        every: Some("5s".to_owned()),
        timeout: Some("5s".to_owned()),
        ..HeartbeatForm::default()
    });
    save_connection(home.file(), Some("office"), &same).unwrap();
    assert_eq!(home.text(), COMMENTED);
}

#[test]
fn a_new_connection_stands_behind_the_others_with_only_what_was_given() {
    let home = home(COMMENTED);
    let mut new = form(" crm ", "https://crm/wsCrm?jspCode=42");
    new.preset = Some("crm-heartbeat".to_owned());
    new.on_open = Some(vec!["{\"id\":\"a1b2c3\"}".to_owned()]);
    new.headers = Some([("X-Tenant".to_owned(), "blue".to_owned())].into());
    new.heartbeat = Some(HeartbeatForm {
        reply: Some(ReplyForm { equals: Some("HeartBeat".to_owned()), ..ReplyForm::default() }),
        always: Some(true),
        ..HeartbeatForm::default()
    });
    save_connection(home.file(), None, &new).unwrap();
    let text = home.text();
    let added = "\n[[connections]]\nname = \"crm\"\npreset = \"crm-heartbeat\"\nurl = \"https://crm/wsCrm?jspCode=42\"\n\
                 on_open = ['{\"id\":\"a1b2c3\"}']\nheaders = { X-Tenant = \"blue\" }\n\n[connections.heartbeat]\n\
                 reply = { equals = \"HeartBeat\" }\nalways = true\n";
    assert!(text.starts_with(COMMENTED.trim_end_matches("\n# The end.\n")), "{text}");
    assert!(text.contains(added), "{text}");
    assert!(text.ends_with("# The end.\n"), "{text}");
}

#[test]
fn the_first_connection_makes_the_file_and_its_folder_for_this_user_only() {
    let home = empty_home();
    let file = home.folder.path().join("deep/er/config.toml");
    save_connection(&file, None, &form("a", "ws://a")).unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap().trim_start(), "[[connections]]\nname = \"a\"\nurl = \"ws://a\"\n");
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(file.parent().unwrap()).unwrap().mode() & 0o777, 0o700);
    }
}

#[test]
fn a_name_that_another_connection_has_is_not_saved() {
    let home = home(COMMENTED);
    for (replaces, name) in [(None, "home"), (None, " home"), (Some("office"), "home")] {
        let error = save_connection(home.file(), replaces, &form(name, "ws://x")).unwrap_err();
        assert!(matches!(&error, SaveError::NameTaken(error) if error.code == FieldErrorCode::NameTaken), "{error}");
    }
    assert_eq!(home.text(), COMMENTED);
    let mut renamed = form("cottage", "ws://home");
    save_connection(home.file(), Some("home"), &renamed).unwrap();
    assert_eq!(home.text(), COMMENTED.replace("name = \"home\"", "name = \"cottage\""));
    renamed.name = Some("x".to_owned());
    assert!(matches!(save_connection(home.file(), Some("home"), &renamed), Err(SaveError::Unknown { .. })));
}

#[test]
fn a_name_that_stands_twice_in_the_file_is_not_guessed_at() {
    let check = |text: &str, lines: [u32; 2]| {
        let home = home(text);
        let other = form("other", "ws://x");
        let changes = [
            save_connection(home.file(), Some("a"), &form("a", "ws://changed")),
            save_connection(home.file(), Some(" a "), &form("renamed", "ws://changed")),
            remove_connection(home.file(), "a"),
        ];
        for change in changes {
            let error = change.unwrap_err();
            assert!(matches!(&error, SaveError::NotUnique { lines: found, .. } if *found == lines), "{text}: {error}");
            let (words, file) = (error.to_string(), home.file().display().to_string());
            let places = lines.map(|line| format!("line {line}"));
            for part in [&file, &places[0], &places[1], "nothing was saved"] {
                assert!(words.contains(part), "{part:?} is missing: {words}");
            }
        }
        assert_eq!(home.text(), text);
        // What does not stand twice is saved as ever.
        save_connection(home.file(), None, &other).unwrap();
        remove_connection(home.file(), "other").unwrap();
    };
    check(
        "[[connections]]\nname = 'a'\nurl = 'ws://a'\n\n[[connections]]\nurl = 'ws://b'\n# twice\nname = ' a '\n",
        [2, 8],
    );
    check("connections = [\n  { name = 'a', url = 'ws://a' },\n  { name = 'a', url = 7 },\n]\n", [2, 3]);
}

#[test]
fn a_removed_connection_takes_only_itself_along() {
    let home = home(COMMENTED);
    remove_connection(home.file(), "office").unwrap();
    let text = home.text();
    assert!(!text.contains("office") && !text.contains("quick"), "{text}");
    for kept in [
        "# My settings, do not touch.",
        "language = \"en\"   # mine",
        "# The last one.\n[[connections]]\nname = \"home\"",
        "# The end.",
    ] {
        assert!(text.contains(kept), "{kept}: {text}");
    }
    assert!(matches!(remove_connection(home.file(), "office"), Err(SaveError::Unknown { .. })));
    remove_connection(home.file(), "home").unwrap();
    assert_eq!(told(&home.load().problems), []);
    save_connection(home.file(), None, &form("again", "ws://h")).unwrap();
    assert_eq!(names_of(&home.load()), ["again"]);
}

#[test]
fn connections_written_in_one_list_are_edited_in_it() {
    let home = home("connections = [\n  { name = \"a\", url = \"ws://a\" }, # one\n]\n");
    let mut more = form("b", "ws://b");
    more.heartbeat = Some(HeartbeatForm { every: Some("5s".to_owned()), ..HeartbeatForm::default() });
    save_connection(home.file(), None, &more).unwrap();
    save_connection(home.file(), Some("a"), &form("a", "ws://c")).unwrap();
    let loaded = home.load();
    assert_eq!(told(&loaded.problems), []);
    assert_eq!(loaded.forms, [form("a", "ws://c"), more]);
    remove_connection(home.file(), "a").unwrap();
    assert_eq!(names_of(&home.load()), ["b"]);
}

#[test]
fn saving_general_settings_writes_only_what_the_person_changed() {
    let home = home(COMMENTED);
    let in_force = home.load_with(&[("HEARTWIRE__GENERAL__KEEP_MESSAGES", "5")]).general;
    assert_eq!(in_force.keep_messages, 5);
    let wanted = General { language: Language::SimplifiedChinese, notifications: false, ..in_force.clone() };
    save_general(home.file(), &in_force, &wanted).unwrap();
    let expected =
        COMMENTED.replace("language = \"en\"   # mine\n", "language = \"zh-CN\"   # mine\nnotifications = false\n");
    assert_eq!(home.text(), expected);
    save_general(home.file(), &wanted, &wanted).unwrap();
    assert_eq!(home.text(), expected);
    let fresh = empty_home();
    save_general(fresh.file(), &in_force, &wanted).unwrap();
    assert_eq!(fresh.load().general, General { keep_messages: 10_000, ..wanted });
}

#[cfg(unix)]
#[test]
fn a_saved_file_keeps_its_mode_and_its_link() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    let home = empty_home();
    let real = home.folder.path().join("dotfiles");
    fs::create_dir(&real).unwrap();
    fs::write(real.join("hw.toml"), COMMENTED).unwrap();
    fs::set_permissions(real.join("hw.toml"), PermissionsExt::from_mode(0o640)).unwrap();
    symlink("dotfiles/hw.toml", home.file()).unwrap();
    remove_connection(home.file(), "home").unwrap();
    assert!(fs::symlink_metadata(home.file()).unwrap().is_symlink());
    assert_eq!(fs::metadata(real.join("hw.toml")).unwrap().mode() & 0o777, 0o640);
    assert!(!fs::read_to_string(real.join("hw.toml")).unwrap().contains("ws://home"));
    fs::remove_file(real.join("hw.toml")).unwrap();
    save_connection(home.file(), None, &form("a", "ws://a")).unwrap();
    assert!(real.join("hw.toml").is_file(), "a link to nothing yet gets its file");
    let left: Vec<PathBuf> = fs::read_dir(&real).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left, [real.join("hw.toml")], "no temporary file stays");
}

/// A file system of 64 KiB, if this user may mount one.
#[cfg(target_os = "linux")]
struct Tiny(TempDir);

#[cfg(target_os = "linux")]
impl Tiny {
    fn mount() -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(folder.path());
        let output = mount.output().map_err(|error| format!("mount cannot be run: {error}"))?;
        if output.status.success() {
            Ok(Self(folder))
        } else {
            Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
        }
    }
}

#[cfg(target_os = "linux")]
impl Drop for Tiny {
    fn drop(&mut self) {
        let status = std::process::Command::new("umount").arg(self.0.path()).status();
        assert!(
            std::thread::panicking() || status.is_ok_and(|status| status.success()),
            "the test's file system stays mounted"
        );
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_leaves_the_old_file() {
    let tiny = match Tiny::mount() {
        Ok(tiny) => tiny,
        Err(why) => {
            println!("SKIPPED: no small file system can be mounted here: {why}");
            return;
        }
    };
    let file = tiny.0.path().join("config.toml");
    fs::write(&file, COMMENTED).unwrap();
    let mut large = form("large", "ws://h");
    large.on_open = Some(vec!["x".repeat(60_000); 3]);
    let error = save_connection(&file, None, &large).unwrap_err();
    assert!(matches!(error, SaveError::NotWritten { .. }), "{error}");
    assert_eq!(fs::read_to_string(&file).unwrap(), COMMENTED);
    assert_eq!(fs::read_dir(tiny.0.path()).unwrap().count(), 1, "no temporary file stays");
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_written_is_told() {
    let home = empty_home();
    fs::write(home.folder.path().join("not-a-folder"), "").unwrap();
    let error =
        save_connection(&home.folder.path().join("not-a-folder/config.toml"), None, &form("a", "ws://a")).unwrap_err();
    assert!(error.to_string().contains("nothing was saved"), "{error}");
}
