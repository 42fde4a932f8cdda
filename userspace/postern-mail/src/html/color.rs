//! Colours, as far as hiding text needs them.

pub(super) type Rgb = [u8; 3];

/// `#rgb`, `#rrggbb`, `rgb(…)`, a name. `None`: not understood, so nothing is concluded from it.
pub(super) fn parse(text: &str) -> Option<Rgb> {
    let text = text.trim();
    if let Some(hex) = text.strip_prefix('#') {
        return from_hex(hex);
    }
    let lower = text.to_ascii_lowercase();
    if let Some(inner) = lower.strip_prefix("rgba(").or_else(|| lower.strip_prefix("rgb(")) {
        let mut channels = inner.trim_end_matches(')').split([',', ' ', '/']).filter(|c| !c.is_empty()).map(channel);
        return Some([channels.next()??, channels.next()??, channels.next()??]);
    }
    Some(match lower.as_str() {
        "white" => [255, 255, 255],
        "black" => [0, 0, 0],
        "snow" => [255, 250, 250],
        "ivory" => [255, 255, 240],
        "ghostwhite" => [248, 248, 255],
        "whitesmoke" => [245, 245, 245],
        "floralwhite" => [255, 250, 240],
        "azure" => [240, 255, 255],
        "mintcream" => [245, 255, 250],
        "gainsboro" => [220, 220, 220],
        "lightgray" | "lightgrey" => [211, 211, 211],
        "silver" => [192, 192, 192],
        "gray" | "grey" => [128, 128, 128],
        "red" => [255, 0, 0],
        "green" => [0, 128, 0],
        "blue" => [0, 0, 255],
        "navy" => [0, 0, 128],
        "yellow" => [255, 255, 0],
        "orange" => [255, 165, 0],
        "purple" => [128, 0, 128],
        "maroon" => [128, 0, 0],
        "lime" => [0, 255, 0],
        "aqua" | "cyan" => [0, 255, 255],
        "fuchsia" | "magenta" => [255, 0, 255],
        "teal" => [0, 128, 128],
        "olive" => [128, 128, 0],
        // Old attributes take hexadecimal digits without the sign.
        _ => return from_hex(&lower).filter(|_| lower.len() == 6),
    })
}

fn from_hex(hex: &str) -> Option<Rgb> {
    if !hex.is_ascii() {
        return None;
    }
    let pair = |i: usize| u8::from_str_radix(hex.get(i..i + 2)?, 16).ok();
    let single = |i: usize| u8::from_str_radix(hex.get(i..i + 1)?, 16).ok().map(|v| v * 17);
    match hex.len() {
        3 | 4 => Some([single(0)?, single(1)?, single(2)?]),
        6 | 8 => Some([pair(0)?, pair(2)?, pair(4)?]),
        _ => None,
    }
}

fn channel(text: &str) -> Option<u8> {
    match text.strip_suffix('%') {
        Some(percent) => percent.parse::<f32>().ok().map(|p| (p.clamp(0.0, 100.0) * 2.55) as u8),
        None => text.parse::<f32>().ok().map(|v| v.clamp(0.0, 255.0) as u8),
    }
}

/// Too close to be read: no channel differs by more than 24 of 255.
pub(super) fn is_same(a: Rgb, b: Rgb) -> bool {
    a.iter().zip(b).all(|(x, y)| x.abs_diff(y) <= 24)
}
