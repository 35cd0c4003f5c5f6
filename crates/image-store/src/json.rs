//! JSON as programs in Go read it: `null` leaves a value as it was, empty.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A value, or its default for `null`.
pub(super) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// An object, or the default for `null`. A list, which serde would take for an object's values in order, is refused.
pub(super) fn object_or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    let object = Option::<serde_json::Map<String, Value>>::deserialize(deserializer)?;
    let read = |object| T::deserialize(Value::Object(object)).map_err(serde::de::Error::custom);
    object.map_or_else(|| Ok(T::default()), read)
}

/// A list of words; a single word means a list of one, as in Docker's `Cmd` and `Entrypoint`.
pub(super) fn words<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Words {
        One(String),
        List(Vec<Option<String>>),
    }
    let read = Option::<Words>::deserialize(deserializer)
        .map_err(|_| serde::de::Error::custom("neither a text nor a list of texts"))?;
    Ok(read.map(|words| match words {
        Words::One(word) => vec![word],
        Words::List(list) => list.into_iter().map(Option::unwrap_or_default).collect(),
    }))
}

/// A list of texts, in which `null` is an empty one.
pub(super) fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let list = Option::<Vec<Option<String>>>::deserialize(deserializer)?;
    Ok(list.unwrap_or_default().into_iter().map(Option::unwrap_or_default).collect())
}

/// The first value of a document; anything after it is ignored.
pub(super) fn first_value<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> serde_json::Result<T> {
    T::deserialize(&mut serde_json::Deserializer::from_slice(bytes))
}

/// Gives keys of an object the spelling of `known`, in which Go finds them in any case. A key that is spelled as known counts before
/// others that differ in case.
pub(super) fn respell(object: &mut Value, known: &[&str]) {
    let Some(map) = object.as_object_mut() else { return };
    for name in known {
        if map.contains_key(*name) {
            continue;
        }
        let other = map.keys().find(|key| key.eq_ignore_ascii_case(name)).cloned();
        if let Some(value) = other.and_then(|key| map.remove(&key)) {
            map.insert((*name).to_owned(), value);
        }
    }
}
