//! The arithmetic.

use prost_types::Duration;
use tonic::Status;

use crate::pb::{Length, Unit, trip::Pace};

/// Each unit in metres.
pub const UNITS: [(Unit, f64); 3] = [(Unit::Metre, 1.0), (Unit::Foot, 0.3048), (Unit::Mile, 1609.344)];

/// The names of all units.
pub fn named() -> String {
    UNITS.map(|(unit, _)| unit.as_str_name().to_lowercase()).join(", ")
}

fn size(unit: i32) -> Result<f64, Status> {
    let found = UNITS.iter().find(|(known, _)| *known as i32 == unit);
    found.map(|(_, size)| *size).ok_or_else(|| Status::invalid_argument(format!("no unit has the number {unit}")))
}

/// A length in metres.
pub fn metres(length: &Length) -> Result<f64, Status> {
    if !length.value.is_finite() {
        return Err(Status::invalid_argument("a length is a finite number"));
    }
    Ok(length.value * size(length.unit)?)
}

/// A length in another unit.
pub fn convert(length: &Length, to: i32) -> Result<Length, Status> {
    Ok(Length { value: metres(length)? / size(to)?, unit: to })
}

/// A pace as a speed.
pub fn metres_per_second(pace: Option<&Pace>) -> Result<f64, Status> {
    let speed = match pace {
        Some(Pace::MetresPerSecond(speed)) => *speed,
        Some(Pace::PerMile(time)) => 1609.344 / (time.seconds as f64 + f64::from(time.nanos) / 1e9),
        None => return Err(Status::invalid_argument("a trip has a pace")),
    };
    if speed.is_finite() && speed > 0.0 { Ok(speed) } else { Err(Status::out_of_range("a pace goes forward")) }
}

/// Seconds as a duration of whole milliseconds.
pub fn duration(seconds: f64) -> Result<Duration, Status> {
    if !(0.0..1e10).contains(&seconds) {
        return Err(Status::out_of_range("nobody travels as long as that"));
    }
    let millis = (seconds * 1000.0).round() as i64;
    Ok(Duration { seconds: millis / 1000, nanos: (millis % 1000) as i32 * 1_000_000 })
}
