//! The bytes of a connection, secured or not.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use rustls::{ClientConnection, StreamOwned};

use crate::grpc::{Secure, chosen};

/// A connection's bytes.
#[derive(Debug)]
pub enum Pipe {
    /// Without TLS.
    Plain(TcpStream),
    /// With it.
    Secured(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Pipe {
    /// Connects. Until the socket is told not to block, it waits at most so long for each answer.
    ///
    /// # Errors
    /// What was in the way.
    pub fn open(address: SocketAddr, secure: Option<&Secure>, protocol: &str, limit: Duration) -> Result<Self, String> {
        let told = |error: io::Error| error.to_string();
        let stream = TcpStream::connect_timeout(&address, limit).map_err(told)?;
        stream.set_nodelay(true).map_err(told)?;
        stream.set_read_timeout(Some(limit)).map_err(told)?;
        let Some(secure) = secure else { return Ok(Self::Plain(stream)) };
        let mut secured = StreamOwned::new(secure.client(protocol)?, stream);
        while secured.conn.is_handshaking() {
            secured.conn.complete_io(&mut secured.sock).map_err(|error| format!("TLS: {error}"))?;
        }
        chosen(protocol, secured.conn.alpn_protocol())?;
        Ok(Self::Secured(Box::new(secured)))
    }

    /// Its socket.
    pub fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Secured(stream) => &stream.sock,
        }
    }

    /// Whether bytes may be there that were read from the socket already.
    pub fn may_hold_more(&self) -> bool {
        matches!(self, Self::Secured(_))
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Secured(stream) => stream.read(buffer),
        }
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Secured(stream) => stream.write(bytes),
        }
    }

    /// What is enciphered and not sent goes on its way.
    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Secured(stream) => stream.flush(),
        }
    }
}
