//! What the objects of `js/` call: each function notes down what a script does, and gives it what it wants to see.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use boa_engine::error::RuntimeLimitError;
use boa_engine::object::builtins::{JsArrayBuffer, JsTypedArray};
use boa_engine::object::{JsObject, ObjectInitializer};
use boa_engine::{Context, JsResult, JsString, JsValue, NativeFunction, Source, js_string};
use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use postern_model::sandbox::Action;

use super::recorder::{Ending, Made, Recorder};
use super::vb::{self, Outside};
use super::{command, engine};

/// What is loaded from anywhere: it begins like a program and is a script that does nothing, for loaders look at the first letters.
const DECOY_BEGIN: &[u8] = b"MZ=0;/*";
const DECOY_END: &[u8] = b"*/";
const DECOY_SIZE: usize = 64 << 10;
/// Words of a request's body that are shown.
const BODY_SHOWN: usize = 120;
/// A text that a script may make through us: its own are bounded by the cell's memory.
const TEXT_MOST: usize = 64 << 20;

/// Of events that a command line made, not the script.
pub const BY_COMMAND: &str = "a command line";
pub const OF_COMMAND: &str = "of a command line";

/// In the engine's own store, for the functions to find.
pub struct Host(pub Rc<RefCell<Recorder>>);

pub fn decoy() -> Vec<u8> {
    let mut body = DECOY_BEGIN.to_vec();
    body.resize(DECOY_SIZE - DECOY_END.len(), b'.');
    body.extend_from_slice(DECOY_END);
    body
}

/// The object that `js/` is given.
pub fn object(context: &mut Context) -> JsObject {
    type Function = fn(&JsValue, &[JsValue], &mut Context) -> JsResult<JsValue>;
    let functions: &[(&str, Function)] = &[
        ("record", record),
        ("load", load),
        ("start", start),
        ("look", look),
        ("write", write),
        ("hand", hand),
        ("page", page),
        ("layer", layer),
        ("translate", translate),
        ("visualBasic", visual_basic),
        ("wait", wait),
        ("quit", quit),
        ("quiet", quiet),
        ("lower", lower),
        ("octets", octets),
        ("utf8", utf8),
        ("atob", atob),
        ("btoa", btoa),
        ("unhex", unhex),
    ];
    let mut object = ObjectInitializer::new(context);
    for (name, function) in functions {
        object.function(NativeFunction::from_fn_ptr(*function), JsString::from(*name), 0);
    }
    object.build()
}

/// Does something with the record, and ends the script when its time has come: no script can catch that.
fn note<T>(context: &Context, what: impl FnOnce(&mut Recorder) -> T) -> JsResult<T> {
    let Some(Host(recorder)) = context.get_data::<Host>() else { return Err(RuntimeLimitError::StackSize.into()) };
    let mut recorder = recorder.borrow_mut();
    let done = what(&mut recorder);
    match recorder.ending() {
        None => Ok(done),
        Some(_) => Err(RuntimeLimitError::LoopIteration.into()),
    }
}

fn text(values: &[JsValue], number: usize, context: &mut Context) -> JsResult<String> {
    let value = values.get(number).cloned().unwrap_or_default();
    Ok(value.to_string(context)?.to_std_string_lossy())
}

/// A text whose characters are octets.
fn data(values: &[JsValue], number: usize, context: &mut Context) -> JsResult<Vec<u8>> {
    let value = values.get(number).cloned().unwrap_or_default();
    Ok(octets_of(&value.to_string(context)?))
}

fn octets_of(text: &JsString) -> Vec<u8> {
    if text.iter().all(|unit| unit < 256) {
        return text.iter().map(|unit| unit as u8).collect();
    }
    text.to_std_string_lossy().into_bytes()
}

fn binary(octets: &[u8]) -> JsValue {
    JsString::from(boa_engine::string::JsStr::latin1(octets)).into()
}

fn record(_: &JsValue, values: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let (action, what, detail) = (text(values, 0, context)?, text(values, 1, context)?, text(values, 2, context)?);
    let action = Action::from_name(&action).unwrap_or(Action::Call);
    note(context, |r| r.record(action, &what, &detail))?;
    Ok(JsValue::undefined())
}

fn load(_: &JsValue, values: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let (what, body, by) = (text(values, 0, context)?, text(values, 1, context)?, text(values, 2, context)?);
    let shown: String = body.chars().take(BODY_SHOWN).collect();
    let detail = if body.is_empty() { by } else { format!("{by}, with {shown}") };
    note(context, |r| r.record(Action::Load, &what, &detail))?;
    Ok(binary(&decoy()))
}

fn start(_: &JsValue, values: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let (what, by) = (text(values, 0, context)?, text(values, 1, context)?);
    note(context, |r| {
        r.record(Action::Start, &what, &by);
        decode(r, &what);
        let lower = what.to_ascii_lowercase();
        if ["schtasks", "reg add", "reg.exe add", "sc create", "sc.exe create", "new-scheduledtask"].iter().any(|w| lower.contains(w)) {
            r.record(Action::Persist, &what, "command");
        }
    })?;
    Ok(JsValue::undefined())
}

fn look(_: &JsValue, values: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let what = text(values, 0, context)?;
    note(context, |r| decode(r, &what))?;
    Ok(JsValue::undefined())
}

/// A command line, with what is decoded of it, and where it loads from.
pub fn decode(recorder: &mut Recorder, what: &str) {
    let command = command::look(what);
    for decoded in &command.decoded {
        recorder.record(Action::Decoded, decoded, OF_COMMAND);
        recorder.make(Made::Command(decoded.clone().into_bytes()));
    }
    if command.decoded.iter().map(String::as_str).chain([what]).any(command::loads) {
        for address in &command.addresses {
            recorder.record(Action::Load, &format!("GET {address}"), BY_COMMAND);
        }
    }
}

fn write(_: &JsValue, values: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let (path, content) = (text(values, 0, context)?, data(values, 1, context)?);
    note(context, |r| {
        if content == decoy() {
            r.record(Action::Write, &path, "what was loaded");
            return;
        }
        r.record(Action::Write, &path, &format!("{} octets", content.len()));
        r.make(Made::File { path, content });
    })?;
    Ok(JsValue::undefined())
}

fn hand(_: &JsValue, values: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let (name, content) = (text(values, 0, context)?, data(values, 1, context)?);
    let name = if name.is_empty() { "download".to_owned() } else { name };
    note(context, |r| {
        r.record(Action::HandOver, &name, &format!("{} octets", content.len()));
        if content != decoy() {
            r.make(Made::HandedOver { name, content });
        }
    })?;
    Ok(JsValue::undefined())
}

fn page(_: &JsValue, values: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let markup = text(values, 0, context)?;
    note(context, |r| {
        r.record(Action::Page, &markup, &format!("{} octets", markup.len()));
        r.make(Made::Page(markup.into_bytes()));
    })?;
    Ok(JsValue::undefined())
}

fn layer(_: &JsValue, values: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let what = text(values, 0, context)?;
    note(context, |r| r.layer(&what))?;
    Ok(JsValue::undefined())
}

/// Visual Basic that was text until now, as code: what it is, the names that its procedure and its world have, whether it is in a
/// procedure.
fn translate(_: &JsValue, values: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let (kind, source) = (text(values, 0, context)?, text(values, 1, context)?);
    let (locals, globals) = (text(values, 2, context)?, text(values, 3, context)?);
    let is_within = values.get(4).is_some_and(JsValue::to_boolean);
    let names = |list: &str| list.lines().map(str::to_owned).collect();
    let outside = Outside { globals: names(&globals), locals: is_within.then(|| names(&locals)) };
    note(context, |r| {
        r.layer(&source);
        decode(r, &source);
    })?;
    let translation = if kind == "expression" { vb::expression(&source, &outside) } else { vb::script(&source, &outside) };
    note(context, |r| {
        for fault in &translation.faults {
            r.record(Action::Error, fault, "in a layer");
        }
        r.translated(&translation.code);
    })?;
    Ok(JsString::from(translation.code).into())
}

/// Loads what Visual Basic needs, for a world that had none of it: this object, and the world's lists.
fn visual_basic(_: &JsValue, values: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let function = context.eval(Source::from_bytes(engine::VISUAL_BASIC))?;
    match function.as_callable() {
        Some(function) => function.call(&JsValue::undefined(), values, context),
        None => Ok(JsValue::undefined()),
    }
}

fn wait(_: &JsValue, values: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let time = values.first().cloned().unwrap_or_default().to_number(context)?;
    // Longer than a month is not meant.
    let time = if time.is_finite() { time.clamp(0.0, 2_678_400_000.0) } else { 0.0 };
    note(context, |r| r.wait(Duration::from_millis(time as u64)))?;
    Ok(JsValue::undefined())
}

fn quit(_: &JsValue, _: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    note(context, |r| r.end(Ending::Quit))?;
    Ok(JsValue::undefined())
}

fn quiet(_: &JsValue, values: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let is_quiet = values.first().is_some_and(JsValue::to_boolean);
    note(context, |r| r.be_quiet(is_quiet))?;
    Ok(JsValue::undefined())
}

fn lower(_: &JsValue, values: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    Ok(JsString::from(text(values, 0, context)?.to_lowercase()).into())
}

/// The octets of a text (UTF-8, unless all its characters are octets), an array of numbers or a buffer.
fn octets(_: &JsValue, values: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let value = values.first().cloned().unwrap_or_default();
    let Some(object) = value.as_object() else { return Ok(binary(&octets_of(&value.to_string(context)?))) };
    if let Ok(buffer) = JsArrayBuffer::from_object(object.clone()) {
        return Ok(binary(&buffer.to_vec().unwrap_or_default()));
    }
    if let Ok(array) = JsTypedArray::from_object(object.clone()) {
        let (from, length) = (array.byte_offset(context)?, array.byte_length(context)?);
        let buffer = array.buffer(context)?;
        let all = buffer.as_object().and_then(|b| JsArrayBuffer::from_object(b.clone()).ok()).and_then(|b| b.to_vec()).unwrap_or_default();
        return Ok(binary(all.get(from..from.saturating_add(length)).unwrap_or_default()));
    }
    let length = object.get(js_string!("length"), context)?;
    if object.is_array() {
        let length = usize::try_from(length.to_length(context)?).unwrap_or(0).min(TEXT_MOST);
        let mut octets = Vec::new();
        for n in 0..length {
            octets.push(object.get(n as u64, context)?.to_number(context)? as i64 as u8);
        }
        return Ok(binary(&octets));
    }
    Ok(binary(&octets_of(&value.to_string(context)?)))
}

fn utf8(_: &JsValue, values: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let octets = data(values, 0, context)?;
    Ok(JsString::from(String::from_utf8_lossy(&octets).as_ref()).into())
}

/// As browsers do it: what is no digit is passed over, and the end may lack its filling.
fn atob(_: &JsValue, values: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let mut digits = data(values, 0, context)?;
    digits.retain(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'));
    if digits.len() % 4 == 1 {
        digits.pop();
    }
    digits.resize(digits.len().next_multiple_of(4), b'=');
    Ok(binary(&BASE64.decode(&digits).unwrap_or_else(|partial| lenient(&digits, partial.position))))
}

/// The last digit's spare bits are wrong: all before is right.
fn lenient(digits: &[u8], until: usize) -> Vec<u8> {
    BASE64.decode(digits.get(..until / 4 * 4).unwrap_or_default()).unwrap_or_default()
}

fn btoa(_: &JsValue, values: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    Ok(JsString::from(BASE64.encode(&data(values, 0, context)?)).into())
}

fn unhex(_: &JsValue, values: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let mut digits = data(values, 0, context)?;
    digits.retain(u8::is_ascii_hexdigit);
    digits.truncate(digits.len() / 2 * 2);
    Ok(binary(&HEXLOWER_PERMISSIVE.decode(&digits).unwrap_or_default()))
}
