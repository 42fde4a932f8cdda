//! One world of scripts in Boa, an interpreter: it makes no machine code, which a cell could not run.
//!
//! Bounds, from the inside out: rounds of a loop and depth of calls in the engine; steps of the outermost script, after which the time is
//! looked at; the time at each call of [`super::host`]; the supervisor's clock and the cell's memory for what is left (a script
//! that keeps busy within `eval` and calls nothing).

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::{SystemTime, UNIX_EPOCH};

use boa_engine::context::HostHooks;
use boa_engine::context::time::{Clock, JsInstant};
use boa_engine::job::{Job, JobExecutor};
use boa_engine::module::IdleModuleLoader;
use boa_engine::object::{JsObject, ObjectInitializer};
use boa_engine::property::Attribute;
use boa_engine::realm::Realm;
use boa_engine::{Context, JsError, JsResult, JsString, JsValue, Script as Compiled, Source, js_string};
use postern_model::sandbox::Action;
use serde_json::json;

use super::host::{self, Host};
use super::recorder::{Ending, Recorder};
use super::script::{Script, Surroundings, for_engine, is_too_deep};
use super::vb::{self, AUTOSTART};

/// Rounds of the loops of one call: some megabytes of text, character by character.
const ROUNDS: u64 = 20_000_000;
const CALLS: usize = 400;
/// Each error that is caught leaves something on it.
const STACK: usize = 2 << 20;
/// Steps between two looks at the clock.
const STEPS: u32 = 20_000;
const BUFFER: u64 = 64 << 20;

const MACHINE: &str = include_str!("js/machine.js");
const BROWSER: &str = include_str!("js/browser.js");
const OFFICE: &str = include_str!("js/office.js");
const DRIVER: &str = include_str!("js/driver.js");
/// Loaded when there is Visual Basic.
pub const VISUAL_BASIC: &str = include_str!("js/vb.js");

/// Runs a script to its end, or as far as it may.
pub fn run(name: &str, script: &Script, recorder: &Rc<RefCell<Recorder>>) {
    // The engine is large, and a panic of it is not what the script's author gets away with.
    let ran = catch_unwind(AssertUnwindSafe(|| run_in(name, script, recorder)));
    let told = match ran {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error.to_string(),
        Err(_) => "the engine gave up".to_owned(),
    };
    if let Ok(mut recorder) = recorder.try_borrow_mut() {
        recorder.record(Action::Error, &told, "");
    }
}

fn run_in(name: &str, script: &Script, recorder: &Rc<RefCell<Recorder>>) -> JsResult<()> {
    let mut context = Context::builder()
        .host_hooks(Rc::new(Hooks(Rc::clone(recorder))))
        .clock(Rc::new(OwnClock(Rc::clone(recorder))))
        .job_executor(Rc::new(Later { recorder: Rc::clone(recorder), jobs: RefCell::default() }))
        .module_loader(Rc::new(IdleModuleLoader))
        .build()?;
    let context = &mut context;
    context.insert_data(Host(Rc::clone(recorder)));
    let driver = surroundings(name, script, context)?;
    let limits = context.runtime_limits_mut();
    limits.set_loop_iteration_limit(ROUNDS);
    limits.set_recursion_limit(CALLS);
    limits.set_stack_size_limit(STACK);
    let basic: Vec<_> = script.blocks.iter().filter_map(|b| b.dialect().map(|dialect| (b.text.as_str(), dialect))).collect();
    let mut translations = vb::world(&basic).into_iter();
    for block in &script.blocks {
        let text = match block.dialect().and_then(|_| translations.next()) {
            None => for_engine(&block.text, script.surroundings),
            Some(translation) => {
                for fault in translation.faults {
                    recorder.borrow_mut().record(Action::Error, &fault, "");
                }
                translation.code
            }
        };
        if text.trim().is_empty() {
            continue;
        }
        if is_too_deep(&text) {
            recorder.borrow_mut().record(Action::Error, "nested too deep to be run", "");
            continue;
        }
        if let Err(error) = evaluate(&text, context, recorder) {
            match block.dialect() {
                Some(_) => tell_basic(recorder, &error, context),
                None => tell(recorder, &error),
            }
        }
        if settle(context, recorder).is_break() {
            return Ok(());
        }
    }
    if script.surroundings == Surroundings::Office && start_macros(context, recorder).is_break() {
        return Ok(());
    }
    for what in ["load", "click"] {
        if let Err(error) = drive(&driver, what, context, recorder) {
            tell(recorder, &error);
        }
        if settle(context, recorder).is_break() {
            return Ok(());
        }
        // Promises may have put something off.
        if let Err(error) = drive(&driver, "pump", context, recorder) {
            tell(recorder, &error);
        }
        if settle(context, recorder).is_break() {
            return Ok(());
        }
    }
    Ok(())
}

/// What Office calls by itself, one after the other, as if the reader had opened the document and closed it.
fn start_macros(context: &mut Context, recorder: &Rc<RefCell<Recorder>>) -> std::ops::ControlFlow<()> {
    for name in AUTOSTART {
        if let Err(error) = evaluate(&format!("$vb.start(\"{name}\")"), context, recorder) {
            tell_basic(recorder, &error, context);
        }
        settle(context, recorder)?;
    }
    std::ops::ControlFlow::Continue(())
}

/// An error of Visual Basic, with its line instead of a place in the code that was made of it.
fn tell_basic(recorder: &Rc<RefCell<Recorder>>, error: &JsError, context: &mut Context) {
    match error.as_engine().is_none().then(|| basic_error(error, context)).flatten() {
        Some(told) if recorder.borrow_mut().ending().is_none() => recorder.borrow_mut().record(Action::Error, &told, ""),
        Some(_) => {}
        None => tell(recorder, error),
    }
}

fn basic_error(error: &JsError, context: &mut Context) -> Option<String> {
    let functions = context.global_object().get(js_string!("$vb"), context).ok()?;
    let line = functions.as_object()?.get(js_string!("line"), context).ok()?.to_u32(context).ok()?;
    let thrown = error.clone().into_opaque(context).ok()?;
    let message = thrown.as_object()?.get(js_string!("message"), context).ok()?.to_string(context).ok()?;
    Some(format!("line {line}: {}", message.to_std_string_lossy()))
}

/// The objects of the world, made by the scripts of `js/`.
fn surroundings(name: &str, script: &Script, context: &mut Context) -> JsResult<JsObject> {
    let page = script.page.as_ref();
    let is_basic = script.blocks.iter().any(|b| b.dialect().is_some());
    let is_office = script.surroundings == Surroundings::Office;
    let modules: Vec<_> = script.blocks.iter().filter_map(|b| vb::module_name(&b.text)).collect();
    let lists = json!({
        "name": if name.is_empty() { "script.js" } else { name.rsplit(['/', '\\']).next().unwrap_or(name) },
        "page": script.surroundings != Surroundings::Windows,
        "elements": page.map(|page| page.elements(&script.source)),
        "at_load": page.map(|page| &page.at_load),
        "at_click": page.map(|page| &page.at_click),
        "basic": script.blocks.first().is_some_and(|b| b.dialect().is_some()),
        "modules": is_office.then_some(modules),
        "document": &script.document,
    });
    let config = JsValue::from_json(&lists, context)?;
    if let Some(config) = config.as_object() {
        config.set(js_string!("source"), JsString::from(script.source.as_str()), false, context)?;
    }
    let object: JsValue = host::object(context).into();
    let mut parts = Vec::new();
    if matches!(script.surroundings, Surroundings::Page | Surroundings::Application) {
        parts.push(BROWSER);
    }
    // A page with VBScript is one for Internet Explorer, which has ActiveX as well.
    if script.surroundings != Surroundings::Page || is_basic {
        parts.push(MACHINE);
    }
    if is_basic {
        parts.push(VISUAL_BASIC);
    }
    if is_office {
        parts.push(OFFICE);
    }
    parts.push(DRIVER);
    let mut last = JsValue::undefined();
    for part in parts {
        let function = context.eval(Source::from_bytes(part))?;
        if let Some(function) = function.as_callable() {
            last = function.call(&JsValue::undefined(), &[object.clone(), config.clone()], context)?;
        }
    }
    last.as_object().map_or_else(|| Ok(ObjectInitializer::new(context).build()), |driver| Ok(driver.clone()))
}

/// In steps, with a look at the clock between them.
fn evaluate(text: &str, context: &mut Context, recorder: &Rc<RefCell<Recorder>>) -> JsResult<()> {
    let compiled = Compiled::parse(Source::from_bytes(text), None, context)?;
    let mut running = pin!(compiled.evaluate_async_with_budget(context, STEPS));
    let mut waker = std::task::Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(done) = running.as_mut().poll(&mut waker) {
            return done.map(drop);
        }
        if recorder.borrow_mut().ending().is_some() {
            return Ok(());
        }
    }
}

/// Calls a function of the driver in steps as well: by a name that is gone before anything of the script runs.
fn drive(driver: &JsObject, what: &str, context: &mut Context, recorder: &Rc<RefCell<Recorder>>) -> JsResult<()> {
    let function = driver.get(JsString::from(what), context)?;
    context.register_global_property(js_string!("$"), function, Attribute::all())?;
    evaluate("(function (act) { delete globalThis.$; act(); })($)", context, recorder)
}

/// What promises have put off; whether the script is over.
fn settle(context: &mut Context, recorder: &Rc<RefCell<Recorder>>) -> std::ops::ControlFlow<()> {
    if recorder.borrow_mut().ending().is_none()
        && let Err(error) = context.run_jobs()
    {
        tell(recorder, &error);
    }
    match recorder.borrow_mut().ending() {
        Some(_) => std::ops::ControlFlow::Break(()),
        None => std::ops::ControlFlow::Continue(()),
    }
}

/// An error of the script is an event; that it had to end was said already.
fn tell(recorder: &Rc<RefCell<Recorder>>, error: &JsError) {
    let mut recorder = recorder.borrow_mut();
    if recorder.ending().is_some() {
        return;
    }
    // Limits of the engine go through every `catch`.
    if error.as_engine().is_none() {
        recorder.record(Action::Error, &error.to_string(), "");
    } else {
        recorder.end(Ending::TooLong);
    }
}

struct Hooks(Rc<RefCell<Recorder>>);

impl HostHooks for Hooks {
    fn ensure_can_compile_strings(&self, _: Realm, parameters: &[JsString], body: &JsString, _: bool, _: &mut Context) -> JsResult<()> {
        let mut recorder = self.0.borrow_mut();
        let mut text = body.to_std_string_lossy();
        if !parameters.is_empty() {
            let list: Vec<String> = parameters.iter().map(JsString::to_std_string_lossy).collect();
            text = format!("({}) {{ {text} }}", list.join(", "));
        }
        recorder.layer(&text);
        if recorder.ending().is_some() {
            return Err(boa_engine::error::RuntimeLimitError::LoopIteration.into());
        }
        if is_too_deep(&text) {
            return Err(boa_engine::JsNativeError::syntax().with_message("nested too deep to be run").into());
        }
        Ok(())
    }

    fn local_timezone_offset_seconds(&self, _: i64) -> i32 {
        0
    }

    fn max_buffer_size(&self, _: &mut Context) -> u64 {
        BUFFER
    }
}

/// What promises put off. The engine's own list of it has no end when a promise puts off another one.
struct Later {
    recorder: Rc<RefCell<Recorder>>,
    jobs: RefCell<VecDeque<Job>>,
}

impl JobExecutor for Later {
    fn enqueue_job(self: Rc<Self>, job: Job, _: &mut Context) {
        self.jobs.borrow_mut().push_back(job);
    }

    fn run_jobs(self: Rc<Self>, context: &mut Context) -> JsResult<()> {
        loop {
            let Some(job) = self.jobs.borrow_mut().pop_front() else { return Ok(()) };
            if self.recorder.borrow_mut().ending().is_some() {
                return Ok(());
            }
            match job {
                Job::PromiseJob(job) => job.call(context)?,
                Job::GenericJob(job) => job.call(context)?,
                // Timers are the driver's, and nothing else waits for anything here.
                _ => continue,
            };
        }
    }
}

/// The script's own time: waits are over at once.
struct OwnClock(Rc<RefCell<Recorder>>);

impl Clock for OwnClock {
    fn now(&self) -> JsInstant {
        let time = self.0.try_borrow_mut().map(|mut recorder| recorder.now()).unwrap_or_default();
        JsInstant::new(time.as_secs(), time.subsec_nanos())
    }

    fn system_time_millis(&self) -> i64 {
        let passed = self.0.try_borrow_mut().map(|mut recorder| recorder.skip_when_asked()).unwrap_or_default();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(now.saturating_add(passed).as_millis()).unwrap_or(i64::MAX)
    }
}
