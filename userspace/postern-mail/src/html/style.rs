//! Inline style and old attributes, as far as they decide whether text can be seen.

use super::color::{self, Rgb};

/// How an element's text looks; children inherit it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// Taken out for good: `display:none`, opacity, clipped or moved away. Children cannot undo it.
    pub(super) is_gone: bool,
    /// `visibility:hidden`; a child may be visible again.
    pub(super) is_invisible: bool,
    /// A font too small to read; newsletters set it on wrappers and undo it inside.
    pub(super) is_tiny: bool,
    pub(super) is_transparent: bool,
    pub(super) color: Rgb,
    /// `None`: an image or a colour that is not understood, on which anything may be readable.
    pub(super) background: Option<Rgb>,
}

impl Default for Look {
    fn default() -> Self {
        Self {
            is_gone: false,
            is_invisible: false,
            is_tiny: false,
            is_transparent: false,
            color: [0, 0, 0],
            background: Some([255, 255, 255]),
        }
    }
}

impl Look {
    pub(super) fn is_hidden(&self) -> bool {
        self.is_gone
            || self.is_invisible
            || self.is_tiny
            || self.is_transparent
            || self.background.is_some_and(|b| color::is_same(self.color, b))
    }

    /// Applies a `style` attribute. `on_url` is given what stands in `url(…)`.
    pub(super) fn apply(&mut self, style: &str, mut on_url: impl FnMut(&str)) {
        let mut clips = false;
        let mut has_no_extent = false;
        let mut is_positioned = false;
        let mut is_far = false;
        for declaration in style.split(';').take(100) {
            let Some((property, value)) = declaration.split_once(':') else { continue };
            let property = property.trim().to_ascii_lowercase();
            let value = value.trim();
            let lower = value.to_ascii_lowercase();
            let lower = lower.split("!important").next().unwrap_or_default().trim();
            match property.as_str() {
                "display" => self.is_gone |= lower == "none",
                "visibility" => self.is_invisible = matches!(lower, "hidden" | "collapse"),
                "opacity" => self.is_gone |= lower.trim_end_matches('%').parse::<f32>().is_ok_and(|o| o <= 0.05),
                "font-size" => self.font_size(lower),
                "font" => {
                    if let Some(size) = lower.split([' ', '/']).find(|w| w.starts_with(|c: char| c.is_ascii_digit() || c == '.')) {
                        // A weight (`font: 400 12px …`) is a number too; sizes have a unit or are zero.
                        if size == "0" || size.ends_with(|c: char| c.is_ascii_alphabetic() || c == '%') {
                            self.font_size(size);
                        }
                    }
                }
                "color" => {
                    self.is_transparent = is_transparent(lower);
                    if let Some(rgb) = color::parse(lower) {
                        self.color = rgb;
                    }
                }
                "background-color" | "background" | "background-image" => self.background(value, lower, &mut on_url),
                "overflow" | "overflow-y" | "overflow-x" => clips |= lower == "hidden",
                "height" | "max-height" | "width" | "max-width" => has_no_extent |= length(lower).is_some_and(|px| px <= 1.0),
                "text-indent" | "margin-left" | "margin-top" => is_far |= length(lower).is_some_and(|px| px <= -500.0),
                "position" => is_positioned = matches!(lower, "absolute" | "fixed"),
                "left" | "top" | "right" | "bottom" if is_positioned || style.contains("absolute") || style.contains("fixed") => {
                    is_far |= length(lower).is_some_and(|px| px.abs() >= 2000.0 || px <= -500.0);
                }
                "clip" => self.is_gone |= lower.replace(' ', "").starts_with("rect(0,0,0,0") || lower.starts_with("rect(0 0 0 0"),
                "transform" => self.is_gone |= lower.replace(' ', "").starts_with("scale(0)"),
                _ => {}
            }
        }
        self.is_gone |= clips && has_no_extent || is_far;
    }

    pub(super) fn set_color(&mut self, value: &str) {
        if let Some(rgb) = color::parse(value) {
            self.color = rgb;
        }
    }

    pub(super) fn set_background(&mut self, value: &str) {
        self.background = color::parse(value);
    }

    fn font_size(&mut self, value: &str) {
        if let Some(is_tiny) = is_tiny(value) {
            self.is_tiny = is_tiny;
        }
    }

    fn background(&mut self, value: &str, lower: &str, on_url: &mut impl FnMut(&str)) {
        if let Some(at) = lower.find("url(") {
            let inner = value.get(at + 4..).unwrap_or_default().split(')').next().unwrap_or_default();
            on_url(inner.trim().trim_matches(['"', '\'']));
            self.background = None;
            return;
        }
        if lower.contains("gradient") {
            self.background = None;
        } else if let Some(rgb) = lower.split([' ', ',']).next().and_then(color::parse).or_else(|| color::parse(lower)) {
            self.background = Some(rgb);
        }
    }
}

fn is_transparent(value: &str) -> bool {
    if value == "transparent" {
        return true;
    }
    let alpha = value.strip_prefix("rgba(").and_then(|v| v.trim_end_matches(')').rsplit([',', '/']).next());
    alpha.and_then(|a| a.trim().parse::<f32>().ok()).is_some_and(|a| a <= 0.05)
}

fn is_tiny(value: &str) -> Option<bool> {
    let (number, unit) = split_unit(value)?;
    Some(match unit {
        "em" | "rem" | "ex" | "ch" => number <= 0.15,
        "%" => number <= 12.0,
        _ => number <= 2.0,
    })
}

/// Pixels, roughly.
fn length(value: &str) -> Option<f32> {
    let (number, unit) = split_unit(value)?;
    match unit {
        "" | "px" | "pt" => Some(number),
        "em" | "rem" => Some(number * 16.0),
        "vw" | "vh" | "in" => Some(number * 10.0),
        "%" if number == 0.0 => Some(0.0),
        _ => None,
    }
}

fn split_unit(value: &str) -> Option<(f32, &str)> {
    let value = value.split(' ').next()?;
    let end = value.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-' | '+'))).unwrap_or(value.len());
    let (number, unit) = value.split_at(end);
    number.parse().ok().map(|n| (n, unit))
}
