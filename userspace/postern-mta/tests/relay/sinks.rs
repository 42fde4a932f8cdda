//! The built-in sink as a backend.

use std::sync::Arc;

use postern_model::envelope::Direction;
use postern_model::settings::delivery::{Protocol, TlsPolicy};
use postern_mta::queue::Filter;
use postern_mta::sink::Sink;
use postern_smtp::server::Dialect;
use tokio::net::TcpListener;

use super::node::{Node, backend, domain, settings, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_is_found_in_the_sinks_folder() {
    for (dialect, protocol) in [(Dialect::Smtp, Protocol::Smtp), (Dialect::Lmtp, Protocol::Lmtp)] {
        let dir = tempfile::tempdir().unwrap();
        let sink = Arc::new(Sink::open(dir.path().join("sink")).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = tokio::spawn(Arc::clone(&sink).serve(listener, dialect, "sink.example".parse().unwrap()));
        let node = Node::start(settings(vec![domain("*", vec![backend(port, protocol, TlsPolicy::Opportunistic)])]));
        for _ in 0..20 {
            node.accept(Direction::Inbound, "a@b.example", &["c@d.example", "e@f.example"]).await;
        }
        until("all are delivered", || async { node.queue.count(&Filter::default()) == 0 }).await;
        let mut texts: Vec<String> =
            std::fs::read_dir(sink.folder()).unwrap().map(|f| std::fs::read_to_string(f.unwrap().path()).unwrap()).collect();
        assert_eq!(texts.len(), 40);
        texts.sort();
        assert_eq!(texts[0], format!("Return-Path: <a@b.example>\r\nDelivered-To: c@d.example\r\n{}", super::node::TEXT));
        serving.abort();
    }
}
