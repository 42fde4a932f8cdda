//! A line diff of two settings texts, unified, three lines of context.

const CONTEXT: usize = 3;
/// Lines of a text beyond which only "replaced" is said: the table below is the product of both.
const LIMIT: usize = 3000;

/// Empty when the texts are equal.
pub fn unified(old: &str, new: &str) -> String {
    if old == new {
        return String::new();
    }
    let (a, b): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let ops = if a.len() > LIMIT || b.len() > LIMIT {
        a.iter().map(|l| ('-', *l)).chain(b.iter().map(|l| ('+', *l))).collect()
    } else {
        compare(&a, &b)
    };
    let near = |i: usize| ops[i.saturating_sub(CONTEXT)..ops.len().min(i + CONTEXT + 1)].iter().any(|(c, _)| *c != ' ');
    let (mut out, mut line_a, mut line_b, mut open) = (String::new(), 1, 1, false);
    for (i, (sign, text)) in ops.iter().enumerate() {
        if near(i) {
            if !open {
                out.push_str(&format!("@@ -{line_a} +{line_b} @@\n"));
                open = true;
            }
            out.push_str(&format!("{sign}{text}\n"));
        } else {
            open = false;
        }
        line_a += usize::from(*sign != '+');
        line_b += usize::from(*sign != '-');
    }
    out
}

/// Longest common subsequence, after the equal head and tail.
fn compare<'t>(a: &[&'t str], b: &[&'t str]) -> Vec<(char, &'t str)> {
    let head = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let tail = a[head..].iter().rev().zip(b[head..].iter().rev()).take_while(|(x, y)| x == y).count();
    let (middle_a, middle_b) = (&a[head..a.len() - tail], &b[head..b.len() - tail]);
    let width = middle_b.len() + 1;
    let mut longest = vec![0u16; (middle_a.len() + 1) * width];
    for i in (0..middle_a.len()).rev() {
        for j in (0..middle_b.len()).rev() {
            longest[i * width + j] = if middle_a[i] == middle_b[j] {
                longest[(i + 1) * width + j + 1] + 1
            } else {
                longest[(i + 1) * width + j].max(longest[i * width + j + 1])
            };
        }
    }
    let mut ops: Vec<(char, &str)> = a[..head].iter().map(|l| (' ', *l)).collect();
    let (mut i, mut j) = (0, 0);
    while i < middle_a.len() || j < middle_b.len() {
        if i < middle_a.len() && j < middle_b.len() && middle_a[i] == middle_b[j] {
            ops.push((' ', middle_a[i]));
            (i, j) = (i + 1, j + 1);
        } else if j >= middle_b.len() || (i < middle_a.len() && longest[(i + 1) * width + j] >= longest[i * width + j + 1]) {
            ops.push(('-', middle_a[i]));
            i += 1;
        } else {
            ops.push(('+', middle_b[j]));
            j += 1;
        }
    }
    ops.extend(a[a.len() - tail..].iter().map(|l| (' ', *l)));
    ops
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_shown_with_their_surroundings() {
        let old: String = (1..=20).map(|n| format!("line {n}\n")).collect();
        let new = old.replace("line 10\n", "line ten\nline 10½\n").replace("line 20\n", "");
        assert_eq!(
            unified(&old, &new),
            "@@ -7 +7 @@\n line 7\n line 8\n line 9\n-line 10\n+line ten\n+line 10½\n line 11\n line 12\n line 13\n\
             @@ -17 +18 @@\n line 17\n line 18\n line 19\n-line 20\n"
        );
        assert_eq!(unified("a", "a"), "");
        assert_eq!(unified("", "a\n"), "@@ -1 +1 @@\n+a\n");
    }
}
