//! `-serve`: the other side of the calls, to try things with. Every service here takes one string and gives one back.

use std::{convert::Infallible, io, net::SocketAddr, time::Duration};

use http::Request;
use hyper::{body::Incoming, server::conn::http2::Builder, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tonic::{Response, Status, server::Grpc, server::UnaryService};
use tonic_prost::ProstCodec;

use super::client::{Answer, Ask};

/// Answers calls of any method until the process ends.
///
/// # Errors
/// The address cannot be listened on.
pub async fn serve(address: SocketAddr) -> io::Result<Infallible> {
    let listener = TcpListener::bind(address).await?;
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // One that is gone again is its caller's trouble; a lack of descriptors may pass.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        // As tonic's own server does: a reply does not wait for the client's word on the one before. A client that is gone is not asked.
        let _ = stream.set_nodelay(true);
        let service = service_fn(|request: Request<Incoming>| async {
            let codec = ProstCodec::<Answer, Ask>::default();
            Ok::<_, Infallible>(Grpc::new(codec).unary(Greeting, request).await)
        });
        tokio::spawn(Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service));
    }
}

/// Greets whom it is told to, as helloworld does.
struct Greeting;

impl UnaryService<Ask> for Greeting {
    type Response = Answer;
    type Future = std::future::Ready<Result<Response<Answer>, Status>>;

    fn call(&mut self, request: tonic::Request<Ask>) -> Self::Future {
        let text = format!("Hello, {}!", request.into_inner().text);
        std::future::ready(Ok(Response::new(Answer { text })))
    }
}
