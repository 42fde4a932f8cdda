//! Values of settings as values of the document.

use automerge::{ScalarValue, ScalarValueRef, ValueRef};
use serde_json::Value;

pub fn to_scalar(value: &Value) -> ScalarValue {
    match value {
        Value::Null => ScalarValue::Null,
        Value::Bool(b) => ScalarValue::Boolean(*b),
        Value::String(text) => ScalarValue::Str(text.as_str().into()),
        Value::Number(n) => match (n.as_i64(), n.as_u64(), n.as_f64()) {
            (Some(i), _, _) => ScalarValue::Int(i),
            (_, Some(u), _) => ScalarValue::Uint(u),
            (_, _, f) => ScalarValue::F64(f.unwrap_or_default()),
        },
        // Replaced whole, as the thresholds of a rule; the same octets for the same value.
        Value::Array(_) | Value::Object(_) => {
            let mut sorted = value.clone();
            sorted.sort_all_objects();
            ScalarValue::Bytes(sorted.to_string().into_bytes())
        }
    }
}

pub fn from_owned(scalar: &ScalarValue) -> Value {
    match scalar {
        ScalarValue::Boolean(b) => Value::Bool(*b),
        ScalarValue::Str(text) => Value::String(text.to_string()),
        ScalarValue::Int(i) | ScalarValue::Timestamp(i) => Value::from(*i),
        ScalarValue::Uint(u) => Value::from(*u),
        ScalarValue::F64(f) => Value::from(*f),
        ScalarValue::Bytes(octets) => serde_json::from_slice(octets).unwrap_or(Value::Null),
        ScalarValue::Counter(_) | ScalarValue::Unknown { .. } | ScalarValue::Null => Value::Null,
    }
}

/// An object in place of a value is not of our making, and reads as nothing.
pub fn from_ref(value: &ValueRef<'_>) -> Value {
    let ValueRef::Scalar(scalar) = value else { return Value::Null };
    match scalar {
        ScalarValueRef::Boolean(b) => Value::Bool(*b),
        ScalarValueRef::Str(text) => Value::String(text.to_string()),
        ScalarValueRef::Int(i) | ScalarValueRef::Timestamp(i) => Value::from(*i),
        ScalarValueRef::Uint(u) => Value::from(*u),
        ScalarValueRef::F64(f) => Value::from(*f),
        ScalarValueRef::Bytes(octets) => serde_json::from_slice(octets).unwrap_or(Value::Null),
        ScalarValueRef::Counter(_) | ScalarValueRef::Unknown { .. } | ScalarValueRef::Null => Value::Null,
    }
}
