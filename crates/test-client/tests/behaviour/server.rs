//! A function under test, in this process: answers over gRPC, well or badly.

use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
};

use http::Request;
use hyper::{body::Incoming, server::conn::http2::Builder, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{net::TcpSocket, sync::Notify};
use tonic::{Response, Status, server::UnaryService};
use tonic_prost::ProstCodec;

/// Request and reply of every service under test: one string.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Message {
    /// Name, plaintext, token; or the reply.
    #[prost(string, tag = "1")]
    pub text: String,
}

/// What the server does with a call.
#[derive(Debug, Clone)]
pub enum Deed {
    /// Replies.
    Reply(String),
    /// Answers with an error status.
    Fail(Status),
    /// Never answers.
    Hang,
    /// Closes all connections and its port, as a dying process does.
    Die,
}

/// Says what to do with a call: its path, its number from 1, its text.
pub type Script = fn(&str, u64, &str) -> Deed;

/// A port on 127.0.0.1 where nobody listens. It is kept: a port that only was free a moment ago may be another test's server by the time
/// it is called. A server may still take it, as both sides allow reuse.
#[derive(Debug)]
pub struct Port {
    /// Its number.
    pub number: u16,
    _kept: TcpSocket,
}

impl Port {
    /// Takes a free one.
    pub fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        Self { number: socket.local_addr().unwrap().port(), _kept: socket }
    }
}

/// A running server; ends when dropped.
#[derive(Debug)]
pub struct Server {
    /// Its port on 127.0.0.1.
    pub port: u16,
    end: Arc<Notify>,
    calls: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
    /// Where it has died, nobody else shall listen.
    kept: Option<Port>,
}

impl Server {
    /// Starts a server on a free port.
    pub fn start(script: Script) -> Self {
        let kept = Port::new();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, kept.number)).unwrap();
        let mut server = Self::on(listener, script);
        server.kept = Some(kept);
        server
    }

    /// Starts a server on a port that was bound before.
    pub fn on(listener: TcpListener, script: Script) -> Self {
        listener.set_nonblocking(true).unwrap();
        let SocketAddr::V4(address) = listener.local_addr().unwrap() else { panic!("not IPv4") };
        let (end, calls) = (Arc::new(Notify::new()), Arc::default());
        let method = Method { script, calls: Arc::clone(&calls), die: Arc::clone(&end) };
        let stop = Arc::clone(&end);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            // Dropping the runtime drops all connections, in the middle of whatever they do.
            runtime.block_on(async {
                tokio::select! {
                    () = stop.notified() => {}
                    () = accept(listener, method) => {}
                }
            });
        });
        Self { port: address.port(), end, calls, thread: Some(thread), kept: None }
    }

    /// Waits until a [`Deed::Die`] has ended it.
    pub fn wait(mut self) {
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }

    /// Calls so far.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end.notify_one();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

async fn accept(listener: TcpListener, method: Method) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        // As tonic and grpc-go do: a reply does not wait for the client's word on the one before.
        stream.set_nodelay(true).unwrap();
        let method = method.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let call = Call { path: request.uri().path().to_owned(), method: method.clone() };
            async move {
                let codec = ProstCodec::<Message, Message>::default();
                let response = tonic::server::Grpc::new(codec).unary(call, request).await;
                Ok::<_, Infallible>(response)
            }
        });
        let builder = Builder::new(TokioExecutor::new());
        tokio::spawn(builder.serve_connection(TokioIo::new(stream), service));
    }
}

#[derive(Debug, Clone)]
struct Method {
    script: Script,
    calls: Arc<AtomicU64>,
    die: Arc<Notify>,
}

struct Call {
    path: String,
    method: Method,
}

impl UnaryService<Message> for Call {
    type Response = Message;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Message>, Status>> + Send>>;

    fn call(&mut self, request: tonic::Request<Message>) -> Self::Future {
        let method = self.method.clone();
        let number = method.calls.fetch_add(1, Ordering::SeqCst) + 1;
        let deed = (method.script)(&self.path, number, &request.into_inner().text);
        Box::pin(async move {
            match deed {
                Deed::Reply(text) => Ok(Response::new(Message { text })),
                Deed::Fail(status) => Err(status),
                Deed::Hang => std::future::pending().await,
                Deed::Die => {
                    method.die.notify_one();
                    std::future::pending().await
                }
            }
        })
    }
}
