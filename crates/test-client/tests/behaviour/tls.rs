//! Declared calls over TLS.

use std::{path::PathBuf, sync::Arc};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::{
    client::fibonacci,
    declared::{sent, why},
    server::Server,
};

/// A server of TLS before one without: its port. It ends with the test's process.
pub fn before(plain: u16, name: &str) -> u16 {
    before_for(plain, name, None)
}

/// The same for clients with a certificate that is this one, or that it signs.
fn before_for(plain: u16, name: &str, clients: Option<&str>) -> u16 {
    let certificate = CertificateDer::from_pem_file(file(&format!("{name}.pem"))).unwrap();
    let key = PrivateKeyDer::from_pem_file(file(&format!("{name}.key"))).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = match clients {
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_file(file(&format!("{authority}.pem"))).unwrap()).unwrap();
            let provider = Arc::new(ring::default_provider());
            builder.with_client_cert_verifier(
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap(),
            )
        }
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(vec![certificate], key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (listener, acceptor) = (TcpListener::from_std(listener).unwrap(), TlsAcceptor::from(Arc::new(config)));
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let mut inner = TcpStream::connect(("127.0.0.1", plain)).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut stream, &mut inner).await;
                });
            }
        });
    });
    port
}

const CALL: &str = "[{call: fibonacci.Greeter/SayHello, times: 2, data: {text: '5'}, expect: {oracle: fibonacci-go}}]";

/// A file of the tests' certificates.
pub fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/behaviour/certificates").join(name)
}

#[test]
fn a_certificate_is_accepted_given_or_signed_by_one_that_is() {
    let server = Server::start(fibonacci);
    let (own, signed) = (before(server.port, "own"), before(server.port, "signed"));
    let (own_pem, authority) = (file("own.pem").display().to_string(), file("authority.pem").display().to_string());
    for (port, tls) in [
        (own, "{accept: true}".to_owned()),
        (own, format!("{{ca: {own_pem}}}")),
        (signed, "{accept: true}".to_owned()),
        (signed, format!("{{ca: {authority}, name: fn.example}}")),
    ] {
        let (judged, replies, code) = sent(port, &format!("{CALL}\ntls: {tls}"), "");
        assert_eq!((why(&judged), code), (vec!["right".to_owned(); 2], 0), "{tls}: {}", replies.not_connected);
    }
    for (port, tls, words) in [
        (own, format!("{{ca: {authority}}}"), "invalid peer certificate"),
        (signed, format!("{{ca: {own_pem}}}"), "invalid peer certificate"),
        (signed, format!("{{ca: {authority}, name: other.example}}"), "not valid for name"),
        (server.port, "{accept: true}".to_owned(), "TLS: "),
    ] {
        let (_, replies, code) = sent(port, &format!("{CALL}\ntls: {tls}"), "-connect-timeout 300ms");
        assert!(code == 3 && replies.not_connected.contains(words), "{tls}: {code} {}", replies.not_connected);
    }
}

#[test]
fn a_server_that_wants_a_certificate_gets_the_clients_own() {
    let server = Server::start(fibonacci);
    let port = before_for(server.port, "own", Some("authority"));
    let pem = |name: &str| file(name).display().to_string();
    let own = format!("{{accept: true, cert: {}, key: {}}}", pem("signed.pem"), pem("signed.key"));
    let (judged, replies, code) = sent(port, &format!("{CALL}\ntls: {own}"), "");
    assert_eq!((why(&judged), code), (vec!["right".to_owned(); 2], 0), "{}", replies.not_connected);
    let other = format!("{{accept: true, cert: {}, key: {}}}", pem("own.pem"), pem("own.key"));
    for (tls, words) in [("{accept: true}", "the server asked for a client's certificate"), (&other, "no gRPC server")]
    {
        let (_, replies, code) = sent(port, &format!("{CALL}\ntls: {tls}"), "-connect-timeout 300ms");
        assert!(code == 3 && replies.not_connected.contains(words), "{tls}: {code} {}", replies.not_connected);
    }
}

#[test]
fn http_goes_over_tls_too() {
    let (page, _served) = crate::declared::http("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 1);
    let port = before(page, "own");
    let calls = "[{http: GET /, expect: {text: hi}}]\ntls: {accept: true}";
    // The call before the measured ones takes the one connection that the page has.
    let (judged, replies, _) = sent(port, calls, "");
    assert!(judged.warmup[0].reason.is_none(), "{:?} {}", judged.warmup[0].reason, replies.not_connected);
}
