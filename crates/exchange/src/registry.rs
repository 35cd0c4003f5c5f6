//! `/v2/`: the part of the registry protocol that engines need to pull.
//!
//! Names are Docker's: `vhiveease/fibonacci-go` is docker.io's, `ghcr.io/x/y` another registry's. A client that
//! uses the exchange as a mirror may say with `?ns=` whose name it asks for. One that was led here by another registry's name
//! (the guest's `pull` does that for names with a digest) says so in its `Host` header.

use std::fs::File;
use std::sync::Arc;

use futon_model::{Digest, EventKind, ImageReference};
use hyper::header::{ACCEPT, HOST, HeaderMap, HeaderName};
use hyper::{Method, StatusCode, Uri};
use image_store::{Descriptor, ImageStore, StoredImage, media_type};

use super::body::{Answer, Answers, put};
use super::names;
use super::send::{About, serve};
use super::state::{Asker, State};

const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
const JSON: &str = "application/json";

/// Why the registry does not serve: its own error codes.
struct Problem {
    status: StatusCode,
    code: &'static str,
    why: String,
}

impl Problem {
    fn unknown(code: &'static str, why: String) -> Self {
        Self { status: StatusCode::NOT_FOUND, code, why }
    }

    fn broken(why: impl std::fmt::Display) -> Self {
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, code: "UNKNOWN", why: why.to_string() }
    }
}

/// Answers a request below `/v2/`.
pub(super) async fn answer(
    state: &Arc<State>,
    store: &Arc<ImageStore>,
    method: &Method,
    uri: &Uri,
    asker: Asker<'_>,
) -> Answer {
    let path = uri.path().strip_prefix("/v2").unwrap_or_default().trim_start_matches('/').to_owned();
    let space = names::query(uri.query(), "ns");
    let mut answer = if method == Method::GET || method == Method::HEAD {
        let (reader, headers) = (Arc::clone(store), asker.headers.clone());
        let looked = tokio::task::spawn_blocking(move || {
            Lookup { store: &reader, space: space.as_deref(), headers: &headers }.find(&path)
        });
        let (found, asked) = looked.await.unwrap_or_else(|e| (Err(Problem::broken(e)), None));
        let digest = found.as_ref().ok().and_then(|(_, digest)| digest.clone());
        let answer = found.map_or_else(|problem| error(&problem), |(answer, _)| answer);
        if let Some(reference) = asked {
            let (reference, status) = (names::cut(&reference), answer.status().as_u16());
            state.events.tell(asker.authentic, EventKind::ImageRequested { reference, digest, status });
        }
        answer
    } else {
        let why = "this registry is read-only (hint: add images with futon images add)".to_owned();
        error(&Problem { status: StatusCode::METHOD_NOT_ALLOWED, code: "UNSUPPORTED", why })
    };
    put(&mut answer, API_VERSION, "registry/2.0");
    answer
}

fn error(problem: &Problem) -> Answer {
    let body = serde_json::json!({"errors": [{"code": problem.code, "message": problem.why, "detail": null}]});
    Answer::text(problem.status, JSON, body.to_string())
}

struct Lookup<'a> {
    store: &'a ImageStore,
    space: Option<&'a str>,
    headers: &'a HeaderMap,
}

type Found = Result<(Answer, Option<Digest>), Problem>;

impl Lookup<'_> {
    /// The answer, and the requested image, if it was for an image.
    fn find(&self, path: &str) -> (Found, Option<String>) {
        let json = |value: serde_json::Value| Ok((Answer::text(StatusCode::OK, JSON, value.to_string()), None));
        if path.is_empty() {
            return (json(serde_json::json!({})), None);
        }
        if path == "_catalog" {
            return (self.catalog().and_then(json), None);
        }
        if let Some(name) = path.strip_suffix("/tags/list") {
            return (self.tags(name).and_then(json), None);
        }
        if let Some((name, which)) = path.rsplit_once("/manifests/") {
            let asked =
                if which.starts_with("sha256:") { format!("{name}@{which}") } else { format!("{name}:{which}") };
            return (self.manifest(name, which), Some(asked));
        }
        if let Some((name, digest)) = path.rsplit_once("/blobs/") {
            return (self.blob(name, digest), None);
        }
        (Err(Problem::unknown("NAME_UNKNOWN", format!("no such address: /v2/{path}"))), None)
    }

    /// A repository's name as Docker reads it, with the registry that the client acts for: the one that it says, or the one whose
    /// name it was led here by, where the store has an image of it.
    fn repository(&self, name: &str) -> Result<ImageReference, Problem> {
        let host = self.headers.get(HOST).and_then(|host| host.to_str().ok());
        if let (None, Some(host)) = (self.space, host)
            && let Ok(named) = format!("{host}/{name}").parse::<ImageReference>()
            && !self.store.of_repository(&named).map_err(Problem::broken)?.is_empty()
        {
            return Ok(named);
        }
        let full = match self.space {
            // Docker Hub goes by several names.
            Some("docker.io" | "registry-1.docker.io" | "index.docker.io") => format!("docker.io/{name}"),
            Some(space) => format!("{space}/{name}"),
            None => name.to_owned(),
        };
        full.parse().map_err(|e: futon_model::ReferenceError| Problem {
            status: StatusCode::BAD_REQUEST,
            code: "NAME_INVALID",
            why: e.to_string(),
        })
    }

    /// The stored images of a repository, under whatever tags.
    fn images(&self, name: &str) -> Result<Vec<StoredImage>, Problem> {
        let repository = self.repository(name)?;
        let images = self.store.of_repository(&repository).map_err(Problem::broken)?;
        if images.is_empty() {
            let why = format!("no image {} in futon's store (hint: futon images add)", repository.written());
            return Err(Problem::unknown("NAME_UNKNOWN", why));
        }
        Ok(images)
    }

    fn manifest(&self, name: &str, which: &str) -> Found {
        let unknown = || {
            Problem::unknown(
                "MANIFEST_UNKNOWN",
                format!("no {which} of {name} in futon's store (hint: futon images add)"),
            )
        };
        let images = self.images(name)?;
        let descriptor = match which.parse::<Digest>() {
            Ok(digest) => images.iter().flat_map(StoredImage::documents).find(|d| d.digest == digest).cloned(),
            Err(_) => match images.iter().find(|i| i.reference.tag() == Some(which)) {
                Some(image) => Some(self.of_tag(image)?),
                None => None,
            },
        };
        let descriptor = &descriptor.ok_or_else(unknown)?;
        let media_type = descriptor.media_type.clone();
        self.serve(descriptor, &media_type).map(|answer| (answer, Some(descriptor.digest.clone())))
    }

    /// What a tag leads to: the index, where it leads every machine to the same image, else the image that this run's machine takes.
    /// The plan has pinned that image, and the client must not choose again.
    fn of_tag(&self, image: &StoredImage) -> Result<Descriptor, Problem> {
        if !image.variants.is_empty() {
            let level = self.store.level();
            return image.at(level).map(|fitting| fitting.manifest).ok_or_else(|| {
                let offered = image.platforms().join(", ");
                Problem::unknown(
                    "MANIFEST_UNKNOWN",
                    format!("no manifest of {} for linux/amd64 with {level}, only for {offered}", image.reference),
                )
            });
        }
        Ok(match &image.index {
            Some(index) if self.takes_an_index() => index.clone(),
            _ => image.manifest.clone(),
        })
    }

    /// Whether the client can choose from an index itself. A client that does not say what it accepts, accepts everything.
    fn takes_an_index(&self) -> bool {
        let mut accepted = self.headers.get_all(ACCEPT).iter().filter_map(|v| v.to_str().ok()).peekable();
        accepted.peek().is_none()
            || accepted
                .any(|v| [media_type::OCI_INDEX, media_type::DOCKER_INDEX, "*/*"].iter().any(|known| v.contains(known)))
    }

    fn blob(&self, name: &str, digest: &str) -> Found {
        let unknown = || Problem::unknown("BLOB_UNKNOWN", format!("no blob {digest} of {name} in futon's store"));
        let digest: Digest = digest.parse().map_err(|e: futon_model::DigestError| Problem {
            status: StatusCode::BAD_REQUEST,
            code: "DIGEST_INVALID",
            why: e.to_string(),
        })?;
        let images = self.images(name)?;
        let descriptor =
            images.iter().flat_map(StoredImage::descriptors).find(|d| d.digest == digest).ok_or_else(unknown)?;
        self.serve(descriptor, "application/octet-stream").map(|answer| (answer, None))
    }

    fn serve(&self, descriptor: &Descriptor, media_type: &str) -> Result<Answer, Problem> {
        let path = self.store.blob_path(&descriptor.digest);
        let broken = |why: String| {
            Problem::broken(format!(
                "blob {}: {why} (hint: add the image again with futon images add)",
                descriptor.digest
            ))
        };
        let file = File::open(&path).map_err(|e| broken(e.to_string()))?;
        let size = file.metadata().map_err(|e| broken(e.to_string()))?.len();
        if size != descriptor.size {
            return Err(broken(format!("{size} bytes on disk instead of {}", descriptor.size)));
        }
        let tag = format!("\"{}\"", descriptor.digest);
        let mut answer = serve(file, &About { size, modified: None, tag: Some(tag), media_type }, self.headers);
        put(&mut answer, CONTENT_DIGEST, descriptor.digest.as_str());
        Ok(answer)
    }

    fn tags(&self, name: &str) -> Result<serde_json::Value, Problem> {
        let images = self.images(name)?;
        let tags: Vec<&str> = images.iter().filter_map(|i| i.reference.tag()).collect();
        Ok(serde_json::json!({"name": name, "tags": tags}))
    }

    fn catalog(&self) -> Result<serde_json::Value, Problem> {
        let images = self.store.list().map_err(Problem::broken)?;
        let mut names: Vec<String> = images
            .iter()
            .map(|i| {
                if i.reference.is_default_registry() {
                    i.reference.repository().to_owned()
                } else {
                    format!("{}/{}", i.reference.registry(), i.reference.repository())
                }
            })
            .collect();
        names.dedup();
        Ok(serde_json::json!({"repositories": names}))
    }
}
