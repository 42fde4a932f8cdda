//! Consoles of nodes in namespaces, reachable from the machine: each has a port on 127.0.0.1.

use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::Context;

use super::host::Host;

/// How long a node that is cut off or dead is waited for.
const PATIENCE: Duration = Duration::from_secs(3);

/// Ports on 127.0.0.1 for nodes to come. To be made before the calling thread moves into another namespace.
///
/// # Errors
/// When a port is taken.
pub fn ports(first: u16, count: usize) -> anyhow::Result<Vec<TcpListener>> {
    let one = |n: usize| {
        let port = first + u16::try_from(n)?;
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).with_context(|| format!("port {port} on 127.0.0.1"))
    };
    (0..count).map(one).collect()
}

/// Carries what comes in at a port to an address as the host sees it, until the process ends.
///
/// # Errors
/// When the host is gone.
pub fn forward(port: TcpListener, host: &Host, to: SocketAddr) -> anyhow::Result<()> {
    thread::scope(|scope| {
        let starting = scope.spawn(move || -> anyhow::Result<()> {
            // Threads started here are in the host's network; the port stays where it was bound.
            host.enter()?;
            thread::Builder::new().name("console".into()).spawn(move || {
                while let Ok((from, _)) = port.accept() {
                    thread::spawn(move || carry(&from, to));
                }
            })?;
            Ok(())
        });
        starting.join().map_err(|_| anyhow::anyhow!("the console's thread ended"))?
    })
}

fn carry(from: &TcpStream, to: SocketAddr) -> io::Result<()> {
    let to = TcpStream::connect_timeout(&to, PATIENCE)?;
    let (mut in_from, mut in_to) = (from.try_clone()?, to.try_clone()?);
    let there = thread::spawn(move || {
        let _ = io::copy(&mut in_from, &mut in_to);
        let _ = in_to.shutdown(Shutdown::Write);
    });
    let _ = io::copy(&mut &to, &mut &*from);
    let _ = from.shutdown(Shutdown::Write);
    let _ = there.join();
    Ok(())
}
