//! Names made to be mistaken for others: what a label looks like to a hurried reader.

use unicode_security::confusable_detection::skeleton;

/// The label as it looks: confusable letters by Unicode's table (UTS #39), digits and pairs that
/// stand for letters, no hyphens. `xn--pypal-4ve`, `paypa1` and `pay-pal` look like `paypal`.
pub fn looks_like(label: &str) -> String {
    let shown = if label.starts_with("xn--") { idna::domain_to_unicode(label).0 } else { label.to_owned() };
    let plain: String = if shown.is_ascii() { shown } else { skeleton(&shown).collect() };
    let mut out = String::with_capacity(plain.len());
    for c in plain.chars().flat_map(char::to_lowercase) {
        match c {
            '-' | '_' => {}
            '0' => out.push('o'),
            '1' | '|' | 'í' | 'ı' => out.push('l'),
            '3' => out.push('e'),
            '4' => out.push('a'),
            '5' | '$' => out.push('s'),
            '7' => out.push('t'),
            '8' => out.push('b'),
            c if c.is_ascii() => out.push(c),
            c => unicode_normalization::char::decompose_canonical(c, |d| {
                if !unicode_normalization::char::is_combining_mark(d) {
                    out.push(d);
                }
            }),
        }
    }
    // `i`, `l` and `1` are one stroke each; `rn` is an m and `vv` a w at small sizes.
    out.replace("rn", "m").replace("vv", "w").replace('i', "l")
}

/// True when one insertion, deletion, replacement or swap of neighbours makes `a` into `b`.
pub fn one_edit_apart(a: &str, b: &str) -> bool {
    let (a, b) = if a.len() <= b.len() { (a.as_bytes(), b.as_bytes()) } else { (b.as_bytes(), a.as_bytes()) };
    if b.len() - a.len() > 1 || a == b {
        return false;
    }
    let same = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    if a.len() == b.len() {
        a[same + 1..] == b[same + 1..]
            || (a.len() > same + 1 && a[same] == b[same + 1] && a[same + 1] == b[same] && a[same + 2..] == b[same + 2..])
    } else {
        a[same..] == b[same + 1..]
    }
}

/// Pairs of letters that English, German and the Romance languages hardly have inside a word.
const RARE: &[&[u8; 2]] = &[
    b"bq", b"bx", b"bz", b"cj", b"cv", b"cx", b"dq", b"dx", b"fq", b"fv", b"fx", b"fz", b"gq", b"gv", b"gx", b"hq", b"hv", b"hx", b"hz",
    b"jb", b"jc", b"jd", b"jf", b"jg", b"jh", b"jk", b"jl", b"jm", b"jn", b"jp", b"jq", b"jr", b"js", b"jt", b"jv", b"jw", b"jx", b"jy",
    b"jz", b"kq", b"kx", b"kz", b"lq", b"lx", b"mq", b"mx", b"mz", b"pq", b"pv", b"px", b"pz", b"qb", b"qc", b"qd", b"qe", b"qf", b"qg",
    b"qh", b"qj", b"qk", b"ql", b"qm", b"qn", b"qo", b"qp", b"qr", b"qs", b"qt", b"qv", b"qw", b"qx", b"qy", b"qz", b"rx", b"sx", b"tq",
    b"vb", b"vc", b"vd", b"vf", b"vg", b"vh", b"vj", b"vk", b"vm", b"vn", b"vp", b"vq", b"vt", b"vw", b"vx", b"vz", b"wq", b"wv", b"wx",
    b"wz", b"xb", b"xd", b"xg", b"xj", b"xk", b"xn", b"xq", b"xr", b"xv", b"xw", b"xz", b"yq", b"yx", b"zb", b"zc", b"zd", b"zf", b"zg",
    b"zj", b"zk", b"zm", b"zn", b"zp", b"zq", b"zr", b"zs", b"zv", b"zx", b"cg", b"dk", b"fk", b"gk", b"hk", b"kd", b"kf", b"kg", b"kj",
    b"kv", b"lj", b"pj", b"tj", b"wj", b"yj",
];

/// [`RARE`] as one bit for each second letter, by first letter.
const RARE_BITS: [u32; 26] = {
    let mut bits = [0; 26];
    let mut i = 0;
    while i < RARE.len() {
        let [first, second] = *RARE[i];
        bits[(first - b'a') as usize] |= 1 << (second - b'a');
        i += 1;
    }
    bits
};

fn is_rare(first: u8, second: u8) -> bool {
    let letters = first.is_ascii_lowercase() && second.is_ascii_lowercase();
    letters && RARE_BITS[usize::from(first - b'a')] & (1 << (second - b'a')) != 0
}

/// A label nobody would choose: many rare pairs, digits between letters, or a long run of consonants.
/// Labels under seven letters are never called random.
pub fn is_random(label: &str) -> bool {
    let b = label.as_bytes();
    if b.len() < 7 || label.starts_with("xn--") {
        return false;
    }
    let rare = b.windows(2).filter(|w| is_rare(w[0], w[1])).count();
    let vowel = |c: u8| matches!(c, b'a' | b'e' | b'i' | b'o' | b'u' | b'y');
    let letters = b.iter().filter(|c| c.is_ascii_alphabetic()).count();
    let vowels = b.iter().filter(|c| vowel(**c)).count();
    let run =
        longest_run(label.replace("sch", "s").replace("ch", "c").replace("th", "t").as_bytes(), |c| c.is_ascii_alphabetic() && !vowel(c));
    // A digit between two letters, as in `a7f3k9`; a year or number at one end is usual.
    let inner_digits = b.windows(3).filter(|w| w[0].is_ascii_alphabetic() && w[1].is_ascii_digit() && w[2].is_ascii_alphabetic()).count();
    let changes = b.windows(2).filter(|w| w[0].is_ascii_digit() != w[1].is_ascii_digit()).count();
    let is_hex = b.len() >= 16 && b.iter().all(u8::is_ascii_hexdigit) && b.iter().any(u8::is_ascii_digit);
    let points = rare * 2
        + inner_digits * 2
        + usize::from(changes >= 4) * 2
        + if run >= 7 { 4 } else { usize::from(run >= 5) * 2 }
        + usize::from(letters >= 7 && vowels * 6 <= letters) * 2
        + usize::from(is_hex) * 6;
    points >= 5 + b.len() / 14
}

fn longest_run(bytes: &[u8], is: impl Fn(u8) -> bool) -> usize {
    let (mut longest, mut run) = (0, 0);
    for &b in bytes {
        run = if is(b) { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tricks_look_like_the_name() {
        let paypal = looks_like("paypal");
        for trick in ["paypa1", "pay-pal", "PAYPAL", "p\u{0430}ypal", "xn--pypal-4ve", "paypai"] {
            assert_eq!(looks_like(trick), paypal, "{trick}");
        }
        assert_eq!(looks_like("rnicrosoft"), looks_like("microsoft"));
        assert_ne!(looks_like("people"), paypal);
    }

    #[test]
    fn edits() {
        for (a, b) in [("paypal", "paypall"), ("paypal", "papal"), ("paypal", "paypel"), ("paypal", "payapl")] {
            assert!(one_edit_apart(a, b), "{a} {b}");
        }
        assert!(!one_edit_apart("paypal", "paypal") && !one_edit_apart("paypal", "pawpel"));
    }

    #[test]
    fn random_labels_are_told_from_words() {
        for label in ["xkqzvbnw", "a7f3k9d2", "hjkqwrtzx", "q8w7e6r5t4", "3f9a1c0d7e2b4a68"] {
            assert!(is_random(label), "{label}");
        }
        for label in [
            "microsoft",
            "schwarzwald",
            "newsletter",
            "example2024",
            "kundenservice",
            "lists",
            "spamassassin",
            "sourceforge",
            "deutschebahn",
            "postgresql",
            "angstschweiss",
        ] {
            assert!(!is_random(label), "{label}");
        }
    }
}
