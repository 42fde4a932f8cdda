//! What somebody changed, laid over what others have changed meanwhile.

use serde_json::{Map, Value};

/// `present` with what differs between `before` and `after`. Tables are compared field by field; a list that was changed is
/// taken as it is after.
pub fn overlay(present: &Value, before: &Value, after: &Value) -> Value {
    if before == after {
        return present.clone();
    }
    let (Value::Object(was), Value::Object(is)) = (before, after) else { return after.clone() };
    let mut merged: Map<String, Value> = present.as_object().cloned().unwrap_or_default();
    for (name, value) in is {
        let old = was.get(name).unwrap_or(&Value::Null);
        let here = merged.get(name).cloned().unwrap_or(Value::Null);
        merged.insert(name.clone(), overlay(&here, old, value));
    }
    // An entry that was taken out of a map.
    was.keys().filter(|name| !is.contains_key(*name)).for_each(|name| drop(merged.remove(name)));
    Value::Object(merged)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_was_changed_is_taken() {
        let before = json!({ "a": { "x": 1, "y": 2 }, "list": [1], "map": { "k": 1, "gone": 2 } });
        let after = json!({ "a": { "x": 1, "y": 3 }, "list": [1], "map": { "k": 1 } });
        let present = json!({ "a": { "x": 9, "y": 2 }, "list": [1, 2], "map": { "k": 1, "gone": 2, "new": 4 } });
        assert_eq!(overlay(&present, &before, &after), json!({ "a": { "x": 9, "y": 3 }, "list": [1, 2], "map": { "k": 1, "new": 4 } }));
        assert_eq!(overlay(&present, &before, &before), present);
    }
}
