//! auth: `fn: Auth | token: <t> | resp: <policy> | runtime: <R>`.

use super::expectation::{Expectation, Unknown};
use crate::Language;

/// The resource of every policy; the braces are part of it.
const ARN: &str = "arn:aws:execute-api:{regionId}:{accountId}:{apiId}/{stage}/{httpVerb}\
                   /[{resource}/[{child-resources}]]";

/// What an auth function must reply.
pub fn expected(language: Option<Language>, token: &str) -> Expectation {
    match language {
        Some(Language::Go) => go(token),
        Some(Language::NodeJs) => node(token),
        Some(Language::Python) => python(token),
        Some(Language::Cpp) => Expectation::default(),
        None => go(token).or(python(token)).or(node(token)),
    }
}

fn go(token: &str) -> Expectation {
    reply(token, "golang", |effect| {
        format!(
            "{{principalId:user policyDocument:{{Version:2012-10-17 \
             Statement:[{{Action:execute-api:Invoke Effect:{effect} Resource:{ARN}}}]}} \
             context:{{stringKey:stringval numberKey:123 booleanKey:true}}}}"
        )
    })
}

fn node(token: &str) -> Expectation {
    reply(token, "nodejs", |effect| {
        format!(
            r#"{{
  "principalId": "user",
  "policyDocument": {{
    "Version": "2012-10-17",
    "Statement": [
      {{
        "Action": "execute-api:Invoke",
        "Effect": "{effect}",
        "Resource": "{ARN}"
      }}
    ]
  }},
  "context": {{
    "stringKey": "stringval",
    "numberKey": 123,
    "booleanKey": true
  }}
}}"#
        )
    })
}

fn reply(token: &str, runtime: &str, policy: fn(&str) -> String) -> Expectation {
    let response = match token {
        "allow" => policy("Allow"),
        "deny" => policy("Deny"),
        "unauthorized" => "Unauthorized".to_owned(),
        _ => "Error: Invalid token".to_owned(),
    };
    Expectation::exact(format!("fn: Auth | token: {token} | resp: {response} | runtime: {runtime}"))
}

/// Python looks for the words anywhere in the token, and its policy holds an object whose address
/// nobody can know (and whose effect nobody can see).
fn python(token: &str) -> Expectation {
    if !token.contains("allow") && !token.contains("deny") {
        return Expectation::exact("Unauthorized");
    }
    Expectation::around(
        format!(
            "fn: Auth | token: {token} | resp: \
             {{'principalId': 'user', 'policyDocument': <__main__.Empty object at 0x"
        ),
        Unknown::Hex,
        ">, 'context': {'stringKey': 'stringval', 'numberKey': 123, 'booleanKey': True}} \
         | runtime: python",
    )
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn policies_have_the_known_lengths_and_hashes() {
        for (language, token, length, hash) in [
            (Language::Go, "allow", 329, "6616b1d8b88544ff6c1690dfe8fbbfd7c7609eb348b2d7fda25445527c8e843f"),
            (Language::Go, "deny", 327, "93ab9d0392f0bb63af6023d381d7a1e88cc9c3c62f5f9b3f0b1fa464f7a122b6"),
            (Language::NodeJs, "allow", 461, "12eea3f5ffbf5db58af3b67af496d4ddb54e5ec976a2e2b69e8b9b9a0186c9c3"),
            (Language::NodeJs, "deny", 459, "f5962b71e60b229a88b50d373ec69f92917e8ec37fdf53305cecd5214a75fc58"),
        ] {
            let text = expected(Some(language), token).describe();
            assert_eq!(text.len(), length, "{text}");
            let found = hex::encode(Sha256::digest(&text));
            assert_eq!(found, hash, "{text}");
            assert!(expected(None, token).accepts(&text));
        }
    }

    #[test]
    fn other_tokens() {
        for (language, runtime) in [(Language::Go, "golang"), (Language::NodeJs, "nodejs")] {
            let reply = |token: &str, response: &str| {
                format!("fn: Auth | token: {token} | resp: {response} | runtime: {runtime}")
            };
            let right = |token| expected(Some(language), token);
            assert!(right("unauthorized").accepts(&reply("unauthorized", "Unauthorized")));
            for token in ["A unique message", "bla bla", "disallowed", ""] {
                assert!(right(token).accepts(&reply(token, "Error: Invalid token")), "{token}");
                assert!(!right(token).accepts("Unauthorized"), "{token}");
            }
        }
        for token in ["unauthorized", "A unique message", "bla bla", ""] {
            assert!(expected(Some(Language::Python), token).accepts("Unauthorized"), "{token}");
        }
    }

    #[test]
    fn pythons_policy_is_right_whatever_the_address() {
        let text = |token: &str, address: &str| {
            format!(
                "fn: Auth | token: {token} | resp: {{'principalId': 'user', 'policyDocument': \
                 <__main__.Empty object at {address}>, 'context': {{'stringKey': 'stringval', \
                 'numberKey': 123, 'booleanKey': True}}}} | runtime: python"
            )
        };
        for token in ["allow", "deny", "disallowed"] {
            let right = expected(Some(Language::Python), token);
            assert!(right.accepts(&text(token, "0x7f12ab34cd50")), "{token}");
            assert!(!right.accepts(&text(token, "0x")), "{token}");
            assert!(!right.accepts(&text(token, "7f12")), "{token}");
            assert!(!right.accepts("Unauthorized"), "{token}");
        }
    }
}
