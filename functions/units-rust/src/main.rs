//! The function image units-rust: lengths in several units, over gRPC with reflection (v1 and v1alpha) and health.

mod lengths;

use std::{error::Error, net::SocketAddr, pin::Pin};

use tokio::signal::unix::{SignalKind, signal};
use tokio_stream::{Stream, StreamExt, iter};
use tonic::{Request, Response, Status, Streaming, transport::Server};

use lengths::{UNITS, convert, duration, metres, metres_per_second, named};
use pb::{
    Conversion, Length, Plan, Trip,
    units_server::{Units, UnitsServer},
};

#[allow(missing_docs, clippy::all, clippy::pedantic)]
mod pb {
    tonic::include_proto!("units");
}

/// What reflection gives.
const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/units.pb"));

struct Lengths;

#[tonic::async_trait]
impl Units for Lengths {
    async fn convert(&self, request: Request<Conversion>) -> Result<Response<Length>, Status> {
        let Conversion { length, to } = request.into_inner();
        let length = length.ok_or_else(|| Status::invalid_argument("there is no length"))?;
        Ok(Response::new(convert(&length, to)?))
    }

    async fn schedule(&self, request: Request<Trip>) -> Result<Response<Plan>, Status> {
        let Trip { legs, pace } = request.into_inner();
        let whole = legs.iter().map(metres).sum::<Result<f64, Status>>()?;
        let takes = duration(whole / metres_per_second(pace.as_ref())?)?;
        let whole = UNITS.map(|(unit, size)| (unit.as_str_name().to_lowercase(), whole / size));
        Ok(Response::new(Plan { takes: Some(takes), whole: whole.into() }))
    }

    type TableStream = Pin<Box<dyn Stream<Item = Result<Length, Status>> + Send>>;

    async fn table(&self, request: Request<Length>) -> Result<Response<Self::TableStream>, Status> {
        let length = request.into_inner();
        metres(&length)?;
        Ok(Response::new(Box::pin(iter(UNITS.map(|(unit, _)| convert(&length, unit as i32))))))
    }

    async fn sum(&self, request: Request<Streaming<Length>>) -> Result<Response<Length>, Status> {
        let mut stream = request.into_inner();
        let (mut whole, mut unit) = (0.0, None);
        while let Some(length) = stream.next().await {
            let length = length?;
            whole += metres(&length)?;
            unit.get_or_insert(length.unit);
        }
        let sum = Length { value: whole, unit: pb::Unit::Metre as i32 };
        Ok(Response::new(convert(&sum, unit.unwrap_or(sum.unit))?))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().find_map(|word| word.strip_prefix("-addr=").map(str::to_owned));
    let address: SocketAddr = address.as_deref().unwrap_or("0.0.0.0:50051").parse()?;
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_serving::<UnitsServer<Lengths>>().await;
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    // Process 1 gets no signal that it does not ask for.
    let mut term = signal(SignalKind::terminate())?;
    println!("units-rust: serving on {address}, units {}", named());
    Server::builder()
        .add_service(health)
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?)
        .add_service(UnitsServer::new(Lengths))
        .serve_with_shutdown(address, async move {
            term.recv().await;
        })
        .await?;
    println!("units-rust: stopped");
    Ok(())
}
