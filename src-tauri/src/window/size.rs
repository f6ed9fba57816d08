//! The window's size, remembered beside the database. A file that cannot be read or written costs nothing but that.

use std::path::Path;

use serde::{Deserialize, Serialize};
use tauri::WebviewWindow;

/// In logical pixels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Size {
    pub width: f64,
    pub height: f64,
    pub maximized: bool,
}

impl Default for Size {
    fn default() -> Self {
        Self { width: 980.0, height: 720.0, maximized: false }
    }
}

impl Size {
    /// The smallest window in which everything can be used.
    pub const LEAST: Self = Self { width: 720.0, height: 520.0, maximized: false };
    /// Larger than any screen.
    const MOST: Self = Self { width: 16_384.0, height: 16_384.0, maximized: false };

    /// The remembered size, or the default.
    pub fn read(file: &Path) -> Self {
        let read = std::fs::read(file).ok().and_then(|bytes| serde_json::from_slice::<Self>(&bytes).ok());
        let size = read.unwrap_or_default();
        Self {
            width: size.width.clamp(Self::LEAST.width, Self::MOST.width),
            height: size.height.clamp(Self::LEAST.height, Self::MOST.height),
            maximized: size.maximized,
        }
    }

    /// The window's size now. A maximized window keeps the size that it had before by default.
    pub fn of(window: &WebviewWindow) -> tauri::Result<Self> {
        if window.is_maximized()? {
            return Ok(Self { maximized: true, ..Self::default() });
        }
        let size = window.inner_size()?.to_logical(window.scale_factor()?);
        Ok(Self { width: size.width, height: size.height, maximized: false })
    }

    /// Remembers it.
    pub fn write(self, file: &Path) {
        let written =
            serde_json::to_vec(&self).map_err(std::io::Error::from).and_then(|json| std::fs::write(file, json));
        if let Err(error) = written {
            tracing::debug!(%error, "the window's size could not be remembered");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_anything_else_is_the_default() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("window.json");
        assert_eq!(Size::read(&file), Size::default());
        let wide = Size { width: 1200.0, height: 800.0, maximized: true };
        wide.write(&file);
        assert_eq!(Size::read(&file), wide);
        for (content, width) in [
            ("", "980"),
            ("{}", "980"),
            (r#"{"width":1,"height":1,"maximized":false}"#, "720"),
            (r#"{"width":1e300,"height":1,"maximized":false}"#, "16384"),
        ] {
            std::fs::write(&file, content).unwrap();
            let (height, maximized) = (if width == "980" { 720.0 } else { 520.0 }, false);
            assert_eq!(Size::read(&file), Size { width: width.parse().unwrap(), height, maximized }, "{content}");
        }
    }
}
