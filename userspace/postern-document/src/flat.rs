//! Settings as one flat map from keys to values, and back.
//!
//! An element of a list, and an entry whose value is no leaf, has a value of its own beside its fields: the element's place in
//! its list, a whole number. So an empty element exists, and one that is taken out is a null there, whatever its fields say.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::path::{self, Step};
use crate::shape::Shape;

/// Keys with their values; null is "not there".
pub type Flat = BTreeMap<String, Value>;

/// Between two neighbours of a fresh list: 32 elements can be put between any two before a list is numbered anew.
const GAP: i64 = 1 << 32;

/// Places of a list that nobody has numbered yet.
pub fn fresh_places(names: &[String]) -> Vec<i64> {
    (1..).take(names.len()).map(|n| n * GAP).collect()
}

/// Gives the elements of the list at a key, named in order, their places.
pub type Places<'p> = dyn FnMut(&str, &[String]) -> Vec<i64> + 'p;

/// Writes what `value` says below `key`. Returns the keys that the shape does not know.
pub fn flatten(shape: &Shape, key: &str, value: &Value, places: &mut Places<'_>, out: &mut Flat) -> Vec<String> {
    let mut unknown = Vec::new();
    match (shape, value) {
        (Shape::Table(fields), Value::Object(given)) => {
            for (name, value) in given {
                let inner = path::field(key, name);
                match fields.get(name) {
                    Some(shape) => unknown.append(&mut flatten(shape, &inner, value, places, out)),
                    None => unknown.push(inner),
                }
            }
        }
        (Shape::Map(item), Value::Object(given)) => {
            for (name, value) in given {
                let inner = path::entry(key, name);
                if !matches!(**item, Shape::Leaf { .. }) {
                    out.insert(inner.clone(), Value::Bool(true));
                }
                unknown.append(&mut flatten(item, &inner, value, places, out));
            }
        }
        (Shape::List { names, item }, Value::Array(given)) => {
            let elements: Vec<(String, &Value)> = named(names, item, given);
            let order: Vec<String> = elements.iter().map(|(name, _)| path::element(key, name)).collect();
            let numbers = places(key, &order);
            for ((inner, (_, value)), place) in order.into_iter().zip(elements).zip(numbers) {
                if !matches!(**item, Shape::Leaf { .. }) {
                    unknown.append(&mut flatten(item, &inner, value, places, out));
                }
                out.insert(inner, Value::from(place));
            }
        }
        (Shape::Leaf { .. }, value) => {
            out.insert(key.to_owned(), value.clone());
        }
        (Shape::Table(_) | Shape::Map(_) | Shape::List { .. }, _) => unknown.push(key.to_owned()),
    }
    unknown
}

/// Elements by name. Values that stand twice in a list are one; tables that have the same name are told apart by a number.
fn named<'v>(names: &[String], item: &Shape, given: &'v [Value]) -> Vec<(String, &'v Value)> {
    let mut seen = BTreeSet::new();
    let mut out = Vec::with_capacity(given.len());
    for value in given {
        let mut name = if names.is_empty() { value_name(item, value) } else { natural_name(names, value) };
        if !seen.insert(name.clone()) {
            if matches!(item, Shape::Leaf { .. }) {
                continue;
            }
            name = (2..=given.len()).map(|n| format!("{name} #{n}")).find(|n| !seen.contains(n)).unwrap_or(name);
            seen.insert(name.clone());
        }
        out.push((name, value));
    }
    out
}

/// The names of tables in a list: what makes an element the same one in two lists.
pub fn element_names(names: &[&str], given: &[Value]) -> Vec<String> {
    let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
    named(&names, &Shape::Table(BTreeMap::new()), given).into_iter().map(|(name, _)| name).collect()
}

fn value_name(item: &Shape, value: &Value) -> String {
    match (item, value) {
        (Shape::Leaf { text: true, .. }, Value::String(text)) => text.clone(),
        _ => value.to_string(),
    }
}

/// Names of hosts and domains are the same in capitals.
fn natural_name(names: &[String], value: &Value) -> String {
    let parts = names.iter().filter_map(|name| match value.get(name) {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text.to_lowercase()),
        Some(other) => Some(other.to_string()),
    });
    parts.collect::<Vec<_>>().join(" ")
}

/// Without what is null and what is in an element that is not there.
pub fn visible(flat: &Flat) -> Flat {
    let there = |key: &str| flat.get(key).is_some_and(|v| !v.is_null());
    flat.iter().filter(|(key, v)| !v.is_null() && path::around(key).all(there)).map(|(k, v)| (k.clone(), v.clone())).collect()
}

/// A tree of steps, for reading a flat map in the order of its shape.
#[derive(Default)]
struct Node<'f> {
    value: Option<&'f Value>,
    fields: BTreeMap<&'f str, Node<'f>>,
    members: BTreeMap<&'f str, Node<'f>>,
}

/// The settings as JSON. `flat` is [`visible`]; what the shape does not know is left out.
pub fn unflatten(shape: &Shape, flat: &Flat) -> Value {
    subtree(shape, flat, "")
}

/// The same for one part of the settings; null when it is not there.
pub fn subtree(shape: &Shape, flat: &Flat, key: &str) -> Value {
    let mut root = Node::default();
    let below = format!("{key}/");
    for (full, value) in flat {
        let rest = match (key.is_empty(), full == key) {
            (true, _) => full.as_str(),
            (false, true) => {
                root.value = Some(value);
                continue;
            }
            (false, false) => match full.strip_prefix(&below) {
                Some(rest) => rest,
                None => continue,
            },
        };
        let mut node = &mut root;
        for step in path::steps(rest) {
            node = match step {
                Step::Field(name) => node.fields.entry(name).or_default(),
                Step::Element(name) | Step::Entry(name) => node.members.entry(name).or_default(),
            };
        }
        node.value = Some(value);
    }
    let name = path::steps(key).last();
    match (shape, name) {
        // An element of a list of values is its name.
        (Shape::Leaf { text, .. }, Some(Step::Element(name))) if root.value.is_some() => value_of(*text, name),
        _ => assemble(shape, &root).unwrap_or(Value::Null),
    }
}

fn assemble(shape: &Shape, node: &Node<'_>) -> Option<Value> {
    Some(match shape {
        Shape::Leaf { .. } => node.value?.clone(),
        Shape::Table(fields) => {
            // A list without elements has no key, and is there all the same.
            let none = Node::default();
            let value =
                |(name, shape): (&String, &Shape)| Some((name.clone(), assemble(shape, node.fields.get(name.as_str()).unwrap_or(&none))?));
            Value::Object(fields.iter().filter_map(value).collect::<Map<_, _>>())
        }
        Shape::Map(item) => {
            let value = |(name, inner): (&&str, &Node<'_>)| Some((path::unescape(name), assemble(item, inner)?));
            Value::Object(node.members.iter().filter_map(value).collect::<Map<_, _>>())
        }
        Shape::List { item, .. } => {
            let mut order: Vec<_> = node.members.iter().map(|(name, n)| (n.value.and_then(Value::as_i64).unwrap_or(0), *name, n)).collect();
            order.sort_unstable_by_key(|(place, name, _)| (*place, *name));
            let value = |(_, name, inner): (i64, &str, &Node<'_>)| match **item {
                Shape::Leaf { text, .. } => Some(value_of(text, name)),
                _ => assemble(item, inner),
            };
            Value::Array(order.into_iter().filter_map(value).collect())
        }
    })
}

fn value_of(text: bool, name: &str) -> Value {
    let name = path::unescape(name);
    if text { Value::String(name) } else { serde_json::from_str(&name).unwrap_or(Value::String(name)) }
}

/// New places for a list, so that as few elements as possible get another one than they have.
pub fn places(before: &Flat, order: &[String]) -> Vec<i64> {
    let held: Vec<Option<i64>> = order.iter().map(|key| before.get(key).and_then(Value::as_i64)).collect();
    let keep = longest_rise(&held);
    let mut out = vec![0; order.len()];
    let mut at = 0;
    let mut low = 0;
    while at < order.len() {
        if let (true, Some(place)) = (keep[at], held[at]) {
            (out[at], low) = (place, place);
            at += 1;
            continue;
        }
        let end = (at..order.len()).find(|i| keep[*i]).unwrap_or(order.len());
        let count = i64::try_from(end - at + 1).unwrap_or(i64::MAX);
        let step = held.get(end).copied().flatten().map_or(GAP, |high| high.saturating_sub(low) / count);
        if step == 0 || low.checked_add(step.saturating_mul(count)).is_none() {
            return fresh_places(order);
        }
        for slot in &mut out[at..end] {
            low += step;
            *slot = low;
        }
        at = end;
    }
    out
}

/// Which elements can keep their places: the longest rising run of them, by patience sorting.
fn longest_rise(held: &[Option<i64>]) -> Vec<bool> {
    let mut tops: Vec<usize> = Vec::new();
    let mut below: Vec<Option<usize>> = vec![None; held.len()];
    for (i, place) in held.iter().enumerate() {
        let Some(place) = place.filter(|p| *p > 0) else { continue };
        let pile = tops.partition_point(|t| held[*t] < Some(place));
        below[i] = pile.checked_sub(1).map(|p| tops[p]);
        if pile == tops.len() { tops.push(i) } else { tops[pile] = i }
    }
    let mut keep = vec![false; held.len()];
    let mut next = tops.last().copied();
    while let Some(i) = next {
        keep[i] = true;
        next = below[i];
    }
    keep
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(places: &[(&str, i64)]) -> Flat {
        places.iter().map(|(k, p)| ((*k).to_owned(), Value::from(*p))).collect()
    }

    fn order(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn an_element_that_moves_is_the_only_one_with_a_new_place() {
        let before = given(&[("a", 100), ("b", 200), ("c", 300), ("d", 400)]);
        assert_eq!(places(&before, &order("d a b c")), [50, 100, 200, 300]);
        assert_eq!(places(&before, &order("a x b c d")), [100, 150, 200, 300, 400]);
        assert_eq!(places(&before, &order("a b c d x")), [100, 200, 300, 400, 400 + GAP]);
        assert_eq!(places(&given(&[("a", 1), ("b", 2)]), &order("a x b")), [GAP, 2 * GAP, 3 * GAP], "no room: numbered anew");
        assert_eq!(places(&given(&[("a", i64::MAX)]), &order("a x")), [GAP, 2 * GAP]);
        assert_eq!(places(&given(&[("a", i64::MIN)]), &order("a x")), [GAP, 2 * GAP]);
    }
}
