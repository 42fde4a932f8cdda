//! Tokens: redeemed once, by who has them, at who issued them.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use iroh::endpoint::EndpointHooks;
use iroh::{EndpointAddr, PublicKey, TransportAddr};
use postern_model::time::Timestamp;

use super::{Node, local};
use crate::endpoint::{self, Closing, JOINING};
use crate::identity::Identity;
use crate::invitations::{Invitations, SecretId, State};
use crate::join::{Declined, Greeter, JoinError, JoinRequest, redeem};
use crate::proof::Statement;
use crate::session::closed_for;
use crate::stream::Stream;
use crate::token::Token;
use crate::udp::Udp;

const HOUR: Duration = Duration::from_secs(3600);

fn now() -> Timestamp {
    Timestamp::from_system(SystemTime::now())
}

/// A node that issues tokens, and counts whom it let in.
struct Issuer {
    node: Node,
    invitations: Arc<Invitations>,
    path: PathBuf,
    welcomed: Arc<AtomicUsize>,
    _folder: tempfile::TempDir,
}

impl Issuer {
    async fn new(welcome: impl Fn(JoinRequest) -> Result<Vec<u8>, Declined> + Clone + Send + Sync + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("invitations");
        let invitations = Arc::new(Invitations::open(&path).unwrap());
        let welcomed = Arc::new(AtomicUsize::new(0));
        let count = welcomed.clone();
        let greeter = Greeter::new(invitations.clone(), move |request| {
            count.fetch_add(1, Ordering::SeqCst);
            let welcome = welcome.clone();
            Box::pin(async move { welcome(request) })
        });
        let node = Node::start(Identity::new(), local(), 1..=1, greeter).await;
        Self { node, invitations, path, welcomed, _folder: folder }
    }

    fn token(&self, good_for: Duration) -> Token {
        self.invitations.invite([7; 16], self.node.key(), vec![self.node.address()], now(), good_for).unwrap()
    }

    fn state(&self, token: &Token) -> State {
        let id = SecretId::of(&token.secret);
        // What counts is what is on disk.
        Invitations::open(&self.path).unwrap().list().into_iter().find(|i| i.id == id).unwrap().state
    }
}

async fn join(token: &Token) -> Result<Vec<u8>, JoinError> {
    redeem(&Identity::new(), &[local()], token, b"hello".to_vec()).await
}

fn refusal(outcome: Result<Vec<u8>, JoinError>) -> String {
    match outcome {
        Err(JoinError::Refused { why }) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_token_is_redeemed_once_and_says_why_not_twice() {
    let issuer = Issuer::new(|request| Ok([b"you said ", &request.hello[..]].concat())).await;
    let token: Token = issuer.token(HOUR).to_string().parse().unwrap();
    let identity = Identity::new();
    assert_eq!(redeem(&identity, &[local()], &token, b"hello".to_vec()).await.unwrap(), b"you said hello");
    assert!(matches!(issuer.state(&token), State::Used { by, .. } if by == identity.key()));
    let why = refusal(join(&token).await);
    assert!(why.contains("used already"), "{why}");
    assert_eq!(issuer.welcomed.load(Ordering::SeqCst), 1);

    // After a restart of the issuer, too.
    let again = Arc::new(Invitations::open(&issuer.path).unwrap());
    let node = Node::start(issuer.node.identity.clone(), local(), 1..=1, Greeter::new(again, |_| Box::pin(async { Ok(vec![]) }))).await;
    let moved = Token { addresses: vec![node.address()], ..token };
    assert!(refusal(join(&moved).await).contains("used already"));
}

#[tokio::test]
async fn expired_and_revoked_are_told_to_who_knows_the_secret_and_nothing_to_others() {
    let issuer = Issuer::new(|_| Ok(vec![])).await;
    let expired = issuer.token(Duration::ZERO);
    assert!(refusal(join(&expired).await).contains("expired"));
    let revoked = issuer.token(HOUR);
    issuer.invitations.revoke(SecretId::of(&revoked.secret), now()).unwrap();
    assert!(refusal(join(&revoked).await).contains("revoked"));
    let unknown = Token { secret: [9; 16], ..revoked };
    assert_eq!(refusal(join(&unknown).await), "refused");
    assert_eq!(issuer.welcomed.load(Ordering::SeqCst), 0);
    assert!(issuer.node.refused("not-invited") >= 3);
}

#[derive(Debug)]
struct NoHook;
impl EndpointHooks for NoHook {}

/// A joiner that does as it likes with the first message; waits when it is told that there were too many attempts.
async fn forged(issuer: &Issuer, identity: &Identity, mut request: impl FnMut(&iroh::endpoint::Connection) -> Vec<u8>) -> Vec<u8> {
    let udp = Udp::bind(&[local()], identity.key(), Arc::default()).unwrap();
    let places = udp.correspondents.lock().name(&[issuer.node.address()], std::time::Instant::now());
    let endpoint = endpoint::bind(identity, udp, vec![], NoHook).await.unwrap();
    let id = PublicKey::from_bytes(&issuer.node.key().0).unwrap();
    let address = EndpointAddr::from_parts(id, places.into_iter().map(|p| TransportAddr::Custom(p.to_custom())));
    loop {
        let connection = endpoint.connect(address.clone(), JOINING).await.unwrap();
        let answer = async {
            let (sender, receiver) = connection.open_bi().await.ok()?;
            let mut stream = Stream::new(receiver, sender);
            stream.sender.send(&request(&connection)).await.ok()?;
            stream.receiver.receive(1000).await.ok()?
        };
        if let Some(answer) = answer.await {
            return answer.to_vec();
        }
        assert!(closed_for(&connection, Closing::TooMany), "{:?}", connection.close_reason());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn request(id: SecretId, proof: &[u8], hello: &[u8]) -> Vec<u8> {
    postcard::to_allocvec(&(id, proof, hello)).unwrap()
}

#[tokio::test]
async fn without_the_secret_nothing_is_learned_and_nothing_is_used_up() {
    let issuer = Issuer::new(|_| Ok(b"secrets of the cluster".to_vec())).await;
    let token = issuer.token(HOUR);
    let key = issuer.node.key();
    let id = SecretId::of(&token.secret);
    let identity = Identity::new();
    let refused = postcard::to_allocvec(&(0_u8, "refused")).unwrap();

    // The right id, another secret.
    let sign = |connection: &_, secret| Statement::new(connection, key, identity.key(), b"").unwrap().sign(secret);
    let answer = forged(&issuer, &identity, |c| request(id, &sign(c, &[1; 16]), b"")).await;
    assert_eq!(answer, refused);

    // A good proof, overheard somehow, on another connection.
    let mut overheard = Vec::new();
    let spoiled = forged(&issuer, &identity, |c| {
        overheard = sign(c, &token.secret).to_vec();
        request(SecretId([0; 16]), &overheard, b"")
    })
    .await;
    assert_eq!(spoiled, refused);
    let answer = forged(&issuer, &identity, |_| request(id, &overheard, b"")).await;
    assert_eq!(answer, refused);

    // A good proof with another message than was signed, and octets that are no request at all.
    let answer = forged(&issuer, &identity, |c| request(id, &sign(c, &token.secret), b"let in my friend")).await;
    assert_eq!(answer, refused);
    assert_eq!(forged(&issuer, &identity, |_| b"?".to_vec()).await, refused);

    assert_eq!(issuer.state(&token), State::Open);
    assert_eq!(issuer.welcomed.load(Ordering::SeqCst), 0);
    // Whoever has it still gets in, if only after a wait: attempts to join are few a second, whoever makes them.
    while let Err(e) = join(&token).await {
        assert!(matches!(e, JoinError::Busy), "{e}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Somebody else answers at the issuer's address: the key is pinned, and the proof is not even sent.
#[tokio::test]
async fn a_man_in_the_middle_has_the_wrong_key() {
    let issuer = Issuer::new(|_| Ok(vec![])).await;
    let middle = Issuer::new(|_| Ok(b"his snapshot".to_vec())).await;
    let token = Token { addresses: vec![middle.node.address()], ..issuer.token(HOUR) };
    let outcome = join(&token).await;
    assert!(matches!(outcome, Err(JoinError::Unreachable { .. })), "{outcome:?}");
    assert_eq!((issuer.welcomed.load(Ordering::SeqCst), middle.welcomed.load(Ordering::SeqCst)), (0, 0));
    assert_eq!(issuer.state(&token), State::Open);
    assert_eq!(middle.node.refused("not-invited"), 0, "a proof was sent to him");
}

#[tokio::test]
async fn a_large_snapshot_comes_whole() {
    let snapshot: Vec<u8> = (0..20_u32 << 20).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let handed = snapshot.clone();
    let issuer = Issuer::new(move |_| Ok(handed.clone())).await;
    assert!(join(&issuer.token(HOUR)).await.unwrap() == snapshot);
}

/// The one who dies here does so with the invitation marked used: nobody else gets in by it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_issuer_that_dies_in_the_middle_leaves_a_used_token() {
    let issuer = Arc::new(Issuer::new(move |_| Ok(vec![1; 60 << 20])).await);
    let token = issuer.token(HOUR);
    let joining = tokio::spawn({
        let token = token.clone();
        async move { join(&token).await }
    });
    super::until("it is claimed", || matches!(issuer.state(&token), State::Used { .. })).await;
    // As a machine that loses its power: not a word more.
    issuer.node.link.vanish();
    let outcome = joining.await.unwrap();
    assert!(matches!(outcome, Err(JoinError::Broken { .. })), "{:?}", outcome.map(|s| s.len()));
    assert!(matches!(issuer.state(&token), State::Used { .. }));
}

#[tokio::test]
async fn who_is_declined_keeps_a_good_token() {
    let decided = Arc::new(AtomicUsize::new(0));
    let issuer = Issuer::new(move |_| match decided.fetch_add(1, Ordering::SeqCst) {
        0 => Err(Declined("the disk is full".into())),
        _ => Ok(b"welcome".to_vec()),
    })
    .await;
    let token = issuer.token(HOUR);
    assert_eq!(refusal(join(&token).await), "the disk is full");
    assert_eq!(issuer.state(&token), State::Open);
    assert_eq!(join(&token).await.unwrap(), b"welcome");
}

#[tokio::test]
async fn an_issuer_that_is_not_there_is_said() {
    let nowhere = std::net::UdpSocket::bind(local()).unwrap().local_addr().unwrap();
    let issuer = Identity::new().key();
    let token = Token { cluster: [0; 16], issuer, addresses: vec![nowhere], secret: [0; 16], expires: now() };
    assert!(matches!(join(&token).await, Err(JoinError::Unreachable { .. })));
}
