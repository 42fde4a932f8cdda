//! Classes of sizes and forms of identifiers: what repeats in things that never repeat.

/// Rough size: 0, 1, 2, 3, 4, then powers of two.
pub(super) fn size_class(n: usize) -> String {
    if n <= 4 { n.to_string() } else { format!("2^{}", n.ilog2()) }
}

/// Share of `part` in `whole` in tenths, finer near zero.
pub(super) fn share_class(part: usize, whole: usize) -> String {
    if part == 0 || whole == 0 {
        return "0".to_owned();
    }
    let percent = part.saturating_mul(100) / whole;
    if percent < 10 {
        format!(
            "<{}",
            if percent < 2 {
                2
            } else if percent < 5 {
                5
            } else {
                10
            }
        )
    } else {
        (percent / 10).to_string()
    }
}

/// The form of an identifier: runs of digits, small and capital letters as 9, a, A; runs over three are marked.
pub(super) fn shape(text: &str, max: usize) -> String {
    let mut out = String::with_capacity(max);
    let mut run = (' ', 0usize);
    for c in text.chars().take(200) {
        let class = if c.is_ascii_digit() {
            '9'
        } else if c.is_lowercase() {
            'a'
        } else if c.is_uppercase() {
            'A'
        } else if c.is_ascii() {
            c
        } else {
            'u'
        };
        if class == run.0 {
            run.1 += 1;
            if run.1 == 4 && out.len() < max {
                out.push('+');
            }
            continue;
        }
        if out.len() >= max {
            break;
        }
        run = (class, 1);
        out.push(class);
    }
    out
}

/// Text in lower case with every digit as 9.
pub(super) fn shape_digits(text: &str, max: usize) -> String {
    text.chars().take(max).map(|c| if c.is_ascii_digit() { '9' } else { c.to_ascii_lowercase() }).collect()
}

pub(super) fn value_start(value: &str, characters: usize) -> String {
    value.trim().chars().take(characters).collect()
}

/// The registrable domain by the public suffix list; the name itself when it has none.
pub(super) fn registrable(domain: &str) -> String {
    postern_suffix::registrable(domain).unwrap_or(domain).to_owned()
}
