//! What a panic may break: the session whose input caused it, and nothing else.
//!
//! Whatever reads hostile octets (a session from its first octet to its verdict) runs contained: a panic
//! there closes that one connection, the sender keeps its mail and tries again, and the log says where it
//! was. Anywhere else a panic ends the process at once: a half-dead spool or queue would answer 250 to
//! mail that nobody keeps; a new start reads back what is durable.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::pin::pin;
use std::task::Poll;

thread_local! {
    static CONTAINED: Cell<bool> = const { Cell::new(false) };
}

/// A panic was caught; it is logged already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a fault of the program, logged above; the mail stays with its sender")]
pub struct Panicked;

/// Logs every panic and ends the process unless the panic is contained. To be called once, at the start.
pub fn install_hook() {
    std::panic::set_hook(Box::new(|info| {
        let contained = CONTAINED.get();
        tracing::error!(
            place = %info.location().map(ToString::to_string).unwrap_or_default(),
            thread = std::thread::current().name().unwrap_or("?"),
            contained,
            "panic: {}",
            message(info),
        );
        if !contained {
            // Logging may be what failed.
            eprintln!("{info}");
            std::process::abort();
        }
    }));
}

fn message<'a>(info: &'a PanicHookInfo<'_>) -> &'a str {
    let payload: &dyn Any = info.payload();
    payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

/// Runs `work`; a panic in it is an error.
///
/// # Errors
/// When `work` panicked.
pub fn contained<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    let before = CONTAINED.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(work));
    CONTAINED.set(before);
    outcome.map_err(|_| Panicked)
}

/// Runs `future`; a panic in it is an error.
///
/// # Errors
/// When `future` panicked.
pub async fn contained_future<T>(future: impl Future<Output = T>) -> Result<T, Panicked> {
    let mut future = pin!(future);
    std::future::poll_fn(move |cx| match contained(|| future.as_mut().poll(cx)) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
        Err(panicked) => Poll::Ready(Err(panicked)),
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_and_leaves_no_trace() {
        assert_eq!(contained(|| 7), Ok(7));
        assert_eq!(contained(|| -> u8 { panic!("a test of panics") }), Err(Panicked));
        assert!(!CONTAINED.get());
        // One inside another: the outer one is still contained afterwards.
        let outer = contained(|| {
            let inner = contained(|| -> u8 { panic!("a test of panics") });
            (inner, CONTAINED.get())
        });
        assert_eq!(outer, Ok((Err(Panicked), true)));
    }

    #[tokio::test]
    async fn a_task_survives_a_future_that_panics_late() {
        let late = async {
            tokio::task::yield_now().await;
            assert!(CONTAINED.get());
            panic!("a test of panics");
        };
        assert_eq!(contained_future::<()>(late).await, Err(Panicked));
        assert!(!CONTAINED.get());
        assert_eq!(contained_future(async { 7 }).await, Ok(7));
    }
}
