//! The functions this client knows: names, services, methods.

use std::{error::Error, fmt};

/// A function's language, if its replies depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Go
    Go,
    /// Python
    Python,
    /// Node.js
    NodeJs,
    /// C++
    Cpp,
}

/// gRPC service a function offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// `helloworld.Greeter`
    HelloWorld,
    /// `fibonacci.Greeter`
    Fibonacci,
    /// `aes.Aes`
    Aes,
    /// `auth.Greeter`
    Auth,
}

impl Service {
    /// Short name, as the report gives it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::HelloWorld => "helloworld",
            Self::Fibonacci => "fibonacci",
            Self::Aes => "aes",
            Self::Auth => "auth",
        }
    }

    /// The one method of the service.
    pub const fn method(self) -> &'static str {
        match self {
            Self::Aes => "ShowEncryption",
            _ => "SayHello",
        }
    }

    /// Path of the method in a request. Request and reply of all four are one string, field 1.
    pub const fn path(self) -> &'static str {
        match self {
            Self::HelloWorld => "/helloworld.Greeter/SayHello",
            Self::Fibonacci => "/fibonacci.Greeter/SayHello",
            Self::Aes => "/aes.Aes/ShowEncryption",
            Self::Auth => "/auth.Greeter/SayHello",
        }
    }
}

/// A function that can be driven and checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Function {
    /// Name as given with `-function-name`.
    pub name: &'static str,
    /// Service it offers.
    pub service: Service,
    /// `None`: any language's replies are right.
    pub language: Option<Language>,
}

const fn known(name: &'static str, service: Service, language: Option<Language>) -> Function {
    Function { name, service, language }
}

const KNOWN: [Function; 14] = [
    known("helloworld", Service::HelloWorld, None),
    known("fibonacci", Service::Fibonacci, None),
    known("fibonacci-go", Service::Fibonacci, Some(Language::Go)),
    known("fibonacci-python", Service::Fibonacci, Some(Language::Python)),
    known("fibonacci-nodejs", Service::Fibonacci, Some(Language::NodeJs)),
    known("fibonacci-cpp", Service::Fibonacci, Some(Language::Cpp)),
    known("aes", Service::Aes, None),
    known("aes-go", Service::Aes, Some(Language::Go)),
    known("aes-python", Service::Aes, Some(Language::Python)),
    known("aes-nodejs", Service::Aes, Some(Language::NodeJs)),
    known("auth", Service::Auth, None),
    known("auth-go", Service::Auth, Some(Language::Go)),
    known("auth-python", Service::Auth, Some(Language::Python)),
    known("auth-nodejs", Service::Auth, Some(Language::NodeJs)),
];

/// A function or method that is not in the catalog.
#[derive(Debug, PartialEq, Eq)]
pub struct Unknown(String);

impl fmt::Display for Unknown {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.0)
    }
}

impl Error for Unknown {}

/// Names of all functions, as `-function-name` takes them.
pub fn names() -> impl Iterator<Item = &'static str> {
    KNOWN.iter().map(|known| known.name)
}

/// The function called `name`.
///
/// # Errors
/// No such function: the text lists the known ones and suggests the nearest.
pub fn find(name: &str) -> Result<Function, Unknown> {
    if let Some(function) = KNOWN.iter().find(|known| known.name == name) {
        return Ok(*function);
    }
    let nearest = KNOWN
        .iter()
        .map(|known| (strsim::levenshtein(name, known.name), known.name))
        .min()
        .filter(|(edits, _)| *edits <= 1 + name.chars().count() / 4)
        .map_or_else(String::new, |(_, known)| format!("did you mean {known}? "));
    let names: Vec<_> = KNOWN.iter().map(|known| known.name).collect();
    Err(Unknown(format!("unknown function '{name}'; hint: {nearest}known are {}", names.join(", "))))
}

/// Checks `-function-method`: the four services have one method each.
///
/// # Errors
/// Neither index 0 nor the method's name.
pub fn check_method(function: &Function, method: &str) -> Result<(), Unknown> {
    let only = function.service.method();
    if method == "0" || method == only {
        return Ok(());
    }
    let service = function.service.name();
    Err(Unknown(format!("unknown method '{method}' of {service}; hint: its only method is 0 or {only}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_selects_service_and_language() {
        let function = find("aes-nodejs").unwrap();
        assert_eq!((function.service, function.language), (Service::Aes, Some(Language::NodeJs)));
        assert_eq!(find("fibonacci").unwrap().language, None);
        assert_eq!(find("fibonacci-cpp").unwrap().service.path(), "/fibonacci.Greeter/SayHello");
    }

    #[test]
    fn an_unknown_name_is_an_error_that_helps() {
        let text = find("fibonaci-go").unwrap_err().to_string();
        assert!(text.contains("did you mean fibonacci-go?"), "{text}");
        assert!(text.contains("helloworld, fibonacci, "), "{text}");
        let text = find("geo").unwrap_err().to_string();
        assert!(!text.contains("did you mean"), "{text}");
        for name in ["", "Fibonacci-go ", "aes-cpp", "fibonacci-"] {
            assert!(find(name).is_err(), "{name}");
        }
    }

    #[test]
    fn the_only_method_has_a_name_and_an_index() {
        let aes = find("aes-go").unwrap();
        assert!(check_method(&aes, "0").is_ok());
        assert!(check_method(&aes, "ShowEncryption").is_ok());
        assert!(check_method(&aes, "1").is_err());
        assert!(check_method(&aes, "SayHello").is_err());
    }
}
