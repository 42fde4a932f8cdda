//! A worker that its content took over: within all walls it makes the call whose number is the attachment's name. For the tests of the watch.

use std::io;

use postern_sandbox::cell::walls::{self, IN_CGROUP};
use postern_sandbox::job::Job;

fn main() {
    let mut words = std::env::args().skip(1);
    if words.next().as_deref() == Some(IN_CGROUP)
        && let Some(Ok(cgroup)) = words.next().map(|number| number.parse())
        && let Err(error) = walls::step_into(cgroup)
    {
        return eprintln!("{error}");
    }
    let walled = walls::enclose().map_err(|e| e.to_string()).and_then(|()| Job::read(io::stdin().lock()).map_err(|e| e.to_string()));
    let (job, _) = match walled {
        Ok(read) => read,
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(walls::NO_WALLS);
        }
    };
    if walls::close(&job.limits).is_ok() {
        // SAFETY: it does not come back; were it allowed, all arguments are zero.
        unsafe { libc::syscall(job.name.parse().unwrap_or(-1), 0, 0, 0, 0, 0, 0) };
    }
}
