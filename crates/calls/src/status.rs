//! gRPC's status codes (grpc/grpc, doc/statuscodes.md).

/// A status code by its number and name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code(pub u32);

const NAMES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

impl Code {
    /// Its name; the number of a code that gRPC does not have.
    #[must_use]
    pub fn name(self) -> String {
        let known = usize::try_from(self.0).ok().and_then(|at| NAMES.get(at));
        known.map_or_else(|| self.0.to_string(), |name| (*name).to_owned())
    }

    /// The code of a name or number.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let upper = text.trim().to_ascii_uppercase();
        if let Some(at) = NAMES.iter().position(|name| *name == upper) {
            return Ok(Self(u32::try_from(at).unwrap_or_default()));
        }
        match upper.parse() {
            // Servers send numbers that gRPC does not have, too.
            Ok(number) => Ok(Self(number)),
            Err(_) => Err(match crate::error::nearest(&upper, NAMES.into_iter()) {
                Some(name) => format!("{text:?} is not a gRPC status; did you mean {name}?"),
                None => format!("{text:?} is not a gRPC status; they are {}", NAMES.join(", ")),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        assert_eq!((Code::parse("not_found").unwrap().0, Code(16).name().as_str()), (5, "UNAUTHENTICATED"));
        assert_eq!((Code::parse("13").unwrap().name().as_str(), Code(99).name().as_str()), ("INTERNAL", "99"));
        assert!(Code::parse("NOTFOUND").unwrap_err().contains("did you mean NOT_FOUND?"));
        assert_eq!(Code::parse("400").unwrap().name(), "400");
    }
}
