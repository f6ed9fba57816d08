//! The icons in the tray of a desktop, as its panel sees them: `StatusNotifierItem` and its menu (`com.canonical.dbusmenu`).

use serde_json::Value;

use crate::bus::{Bus, Object};
use crate::command::Failure;

/// The name under which the panel keeps the list of items.
pub const WATCHER: &str = "org.kde.StatusNotifierWatcher";
const ITEM: &str = "org.kde.StatusNotifierItem";
const MENU: &str = "com.canonical.dbusmenu";

/// An icon in the tray.
#[derive(Clone, Debug)]
pub struct Item {
    bus: Bus,
    owner: String,
    path: String,
}

/// A line of an icon's menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What [`Item::choose`] takes.
    pub id: i64,
    /// The text, without the underscores that mark access keys.
    pub label: String,
    /// Whether it can be chosen.
    pub enabled: bool,
    /// A submenu's lines.
    pub entries: Vec<Entry>,
}

/// The icons that the panel knows.
pub fn items(bus: &Bus) -> Result<Vec<Item>, Failure> {
    let watcher = Object { owner: WATCHER, path: "/StatusNotifierWatcher", interface: WATCHER };
    let names = bus.property(watcher, "RegisteredStatusNotifierItems")?;
    let names = names.as_array().cloned().unwrap_or_default();
    Ok(names.iter().filter_map(Value::as_str).map(|name| item(bus, name)).collect())
}

/// `:1.7/StatusNotifierItem`, or only the owner, whose item is at the usual path.
fn item(bus: &Bus, name: &str) -> Item {
    let (owner, path) = name.split_once('/').unwrap_or((name, "StatusNotifierItem"));
    Item { bus: bus.clone(), owner: owner.to_owned(), path: format!("/{path}") }
}

impl Item {
    /// A property as it stands: `Title`, `IconName`, `Status`, `ToolTip`, ….
    pub fn property(&self, name: &str) -> Result<Value, Failure> {
        self.bus.property(self.object(), name)
    }

    /// A property that is a text; empty where it is none.
    pub fn text(&self, name: &str) -> Result<String, Failure> {
        Ok(self.property(name)?.as_str().unwrap_or_default().to_owned())
    }

    /// The tooltip's title and text, each on its lines.
    pub fn tooltip(&self) -> Result<String, Failure> {
        let tip = self.property("ToolTip")?;
        Ok(format!("{}\n{}", tip[2].as_str().unwrap_or_default(), tip[3].as_str().unwrap_or_default()))
    }

    /// What a click does.
    pub fn activate(&self) -> Result<(), Failure> {
        self.bus.call(self.object(), "Activate", &["ii", "0", "0"]).map(drop)
    }

    /// The menu's lines as they are now.
    pub fn menu(&self) -> Result<Vec<Entry>, Failure> {
        let path = self.text("Menu")?;
        // A menu may be filled only when it is about to be shown.
        self.bus.call(self.menu_object(&path), "AboutToShow", &["i", "0"])?;
        let layout = self.bus.call(self.menu_object(&path), "GetLayout", &["iias", "0", "-1", "0"])?;
        Ok(entry(&layout[1]).entries)
    }

    /// Chooses a line of the menu.
    pub fn choose(&self, entry: &Entry) -> Result<(), Failure> {
        let path = self.text("Menu")?;
        let id = entry.id.to_string();
        self.bus.call(self.menu_object(&path), "Event", &["isvu", &id, "clicked", "i", "0", "0"]).map(drop)
    }

    fn object(&self) -> Object<'_> {
        Object { owner: &self.owner, path: &self.path, interface: ITEM }
    }

    fn menu_object<'a>(&'a self, path: &'a str) -> Object<'a> {
        Object { owner: &self.owner, path, interface: MENU }
    }
}

/// The first line, at any depth, whose label contains this.
pub fn find<'a>(entries: &'a [Entry], label: &str) -> Option<&'a Entry> {
    entries.iter().find_map(|entry| if entry.label.contains(label) { Some(entry) } else { find(&entry.entries, label) })
}

/// A node of the layout: `(id, properties, children)`, each child in a variant.
fn entry(node: &Value) -> Entry {
    let children = node[2].as_array().cloned().unwrap_or_default();
    Entry {
        id: node[0].as_i64().unwrap_or_default(),
        label: node[1]["label"]["data"].as_str().unwrap_or_default().replace('_', ""),
        enabled: node[1]["enabled"]["data"].as_bool().unwrap_or(true),
        entries: children.iter().map(|child| entry(&child["data"])).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_layout_becomes_lines_and_a_line_is_found_at_any_depth() {
        let leaf = |id: i64, label: &str, enabled: bool| json!({"type": "(ia{sv}av)", "data": [id, {"label": {"type": "s", "data": label}, "enabled": {"type": "b", "data": enabled}}, []]});
        let crm = json!({"type": "(ia{sv}av)", "data": [5, {"label": {"type": "s", "data": "crm"}}, [leaf(6, "_Pause", true)]]});
        let root = json!([0, {}, [leaf(4, "Open", true), crm, leaf(9, "_Quit", false)]]);
        let entries = entry(&root).entries;
        let seen: Vec<_> = entries.iter().map(|entry| (entry.id, entry.label.as_str(), entry.enabled)).collect();
        assert_eq!(seen, [(4, "Open", true), (5, "crm", true), (9, "Quit", false)]);
        assert_eq!(find(&entries, "Pause").map(|entry| entry.id), Some(6));
        assert_eq!(find(&entries, "Resume"), None);
    }

    #[test]
    fn an_item_is_named_with_or_without_its_path() {
        let bus = Bus::at("");
        for (name, owner, path) in [
            (":1.7/StatusNotifierItem", ":1.7", "/StatusNotifierItem"),
            (":1.7/org/ayatana/Item", ":1.7", "/org/ayatana/Item"),
            ("org.kde.StatusNotifierItem-9-1", "org.kde.StatusNotifierItem-9-1", "/StatusNotifierItem"),
        ] {
            let item = item(&bus, name);
            assert_eq!((item.owner.as_str(), item.path.as_str()), (owner, path), "{name}");
        }
    }
}
