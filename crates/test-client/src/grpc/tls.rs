//! TLS to a function, with a certificate that was given, or with any.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use calls::wire;
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        ResolvesClientCert, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime},
    sign::CertifiedKey,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::connect::chain;

/// How connections are secured.
#[derive(Debug, Clone)]
pub struct Secure {
    provider: Arc<CryptoProvider>,
    verifier: Arc<dyn ServerCertVerifier>,
    name: ServerName<'static>,
    /// The client's own certificate, and its key.
    own: Option<(Vec<CertificateDer<'static>>, Arc<PrivateKeyDer<'static>>)>,
    asked: Arc<Asked>,
}

/// Has no certificate, and keeps whether the server asked for one.
#[derive(Debug, Default)]
struct Asked(AtomicBool);

impl ResolvesClientCert for Asked {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.store(true, Ordering::Relaxed);
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

impl Secure {
    /// From what the host says of the certificate.
    ///
    /// # Errors
    /// A certificate or the name cannot be used.
    pub fn new(tls: &wire::Tls) -> Result<Self, String> {
        let name = ServerName::try_from(tls.name.clone()).map_err(|error| format!("{:?}: {error}", tls.name))?;
        let provider = Arc::new(ring::default_provider());
        let given: Vec<CertificateDer<'static>> = tls.roots.iter().cloned().map(CertificateDer::from).collect();
        let signed = if given.is_empty() {
            None
        } else {
            let mut roots = RootCertStore::empty();
            for certificate in &given {
                roots.add(certificate.clone()).map_err(|error| format!("the given certificate: {error}"))?;
            }
            let made = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build();
            Some(made.map_err(|error| chain(&error))?)
        };
        let verifier = Arc::new(Verifier { given, signed, provider: Arc::clone(&provider) });
        let own = if tls.own.is_empty() {
            None
        } else {
            let key = PrivateKeyDer::try_from(tls.key.clone()).map_err(|why| format!("the client's key: {why}"))?;
            Some((tls.own.iter().cloned().map(CertificateDer::from).collect(), Arc::new(key)))
        };
        Ok(Self { provider, verifier, name, own, asked: Arc::default() })
    }

    /// Why there is no connection; whether the server asked for a certificate that the client does not have is known here alone: its alert
    /// may be lost with the connection.
    pub fn told(&self, why: String) -> String {
        if self.asked.0.load(Ordering::Relaxed) {
            format!("{why}; the server asked for a client's certificate (`tls: {{cert: FILE, key: FILE}}`)")
        } else {
            why
        }
    }

    /// TLS of a connection on which `protocol` is to be spoken (ALPN).
    fn config(&self, protocol: &str) -> Result<Arc<ClientConfig>, String> {
        let builder = ClientConfig::builder_with_provider(Arc::clone(&self.provider));
        let builder = builder.with_safe_default_protocol_versions().map_err(|error| chain(&error))?;
        let verifier = Arc::clone(&self.verifier);
        let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
        let mut config = match &self.own {
            Some((chain_of_own, key)) => builder
                .with_client_auth_cert(chain_of_own.clone(), key.clone_key())
                .map_err(|error| format!("the client's certificate: {}", chain(&error)))?,
            None => builder.with_client_cert_resolver(Arc::clone(&self.asked) as Arc<dyn ResolvesClientCert>),
        };
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        Ok(Arc::new(config))
    }

    /// TLS without a socket: whoever has one moves the bytes.
    ///
    /// # Errors
    /// The certificates cannot be used.
    pub fn client(&self, protocol: &str) -> Result<ClientConnection, String> {
        ClientConnection::new(self.config(protocol)?, self.name.clone()).map_err(|error| chain(&error))
    }

    /// Secures a connection on which `protocol` is to be spoken.
    ///
    /// # Errors
    /// The server speaks no TLS, has another certificate, or another protocol.
    async fn handshake(&self, stream: TcpStream, protocol: &str) -> Result<TlsStream<TcpStream>, String> {
        let connecting = TlsConnector::from(self.config(protocol)?).connect(self.name.clone(), stream);
        let stream = connecting.await.map_err(|error| format!("TLS: {}", chain(&error)))?;
        chosen(protocol, stream.get_ref().1.alpn_protocol())?;
        Ok(stream)
    }
}

/// Refuses a server that did not choose HTTP/2 where that is to be spoken, as gRPC's own clients do (RFC 9113, 3.2). HTTP/1.1 needs no choice.
///
/// # Errors
/// It chose another protocol, or none.
pub fn chosen(wanted: &str, by_server: Option<&[u8]>) -> Result<(), String> {
    if wanted != "h2" || by_server == Some(b"h2") {
        return Ok(());
    }
    Err("TLS: the server did not choose HTTP/2 (h2) by ALPN".to_owned())
}

/// A connection, secured or not.
#[derive(Debug)]
pub enum Stream {
    /// Without TLS.
    Plain(TcpStream),
    /// With it.
    Secured(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Secures a connection where that is wanted.
    ///
    /// # Errors
    /// As those of TLS.
    pub async fn new(stream: TcpStream, secure: Option<&Secure>, protocol: &str) -> Result<Self, String> {
        Ok(match secure {
            None => Self::Plain(stream),
            Some(secure) => Self::Secured(Box::new(secure.handshake(stream, protocol).await?)),
        })
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Secured(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Secured(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Secured(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Secured(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(context, bytes),
            Self::Secured(stream) => Pin::new(stream).poll_write_vectored(context, bytes),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Secured(stream) => stream.is_write_vectored(),
        }
    }
}

/// Accepts a certificate that was given itself, one that a given one signs, or, where none was given, any.
#[derive(Debug)]
struct Verifier {
    given: Vec<CertificateDer<'static>>,
    signed: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    /// Whether any certificate will do. Who holds its key is then of no interest either, as to curl's `--insecure`: some keys and old forms
    /// of certificates are unknown here.
    fn takes_any(&self) -> bool {
        self.signed.is_none()
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match &self.signed {
            None => Ok(ServerCertVerified::assertion()),
            // What `openssl req -x509` makes signs itself as an authority, which webpki takes for no server's.
            Some(_) if self.given.iter().any(|given| given == certificate) => Ok(ServerCertVerified::assertion()),
            Some(signed) => signed.verify_server_cert(certificate, between, name, ocsp, now).map_err(|error| {
                // webpki's word for one that signs itself as an authority.
                if error.to_string().contains("CaUsedAsEndEntity") {
                    return Error::InvalidCertificate(CertificateError::UnknownIssuer);
                }
                error
            }),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if self.takes_any() {
            return Ok(HandshakeSignatureValid::assertion());
        }
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if self.takes_any() {
            return Ok(HandshakeSignatureValid::assertion());
        }
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let mut schemes = self.provider.signature_verification_algorithms.supported_schemes();
        if self.takes_any() {
            schemes.extend([SignatureScheme::ECDSA_NISTP521_SHA512, SignatureScheme::RSA_PKCS1_SHA1]);
        }
        schemes
    }
}
