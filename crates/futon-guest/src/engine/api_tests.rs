use std::{io::Write, net::TcpListener, thread::JoinHandle};

use super::*;

/// An engine that answers one connection with `answer` and returns the request's first line.
pub(crate) fn engine(answer: &'static str) -> (Engine, JoinHandle<String>) {
    let (engine, server) = engine_of(&[answer]);
    (engine, thread::spawn(move || server.join().unwrap()[0].lines().next().unwrap().to_owned()))
}

/// An engine that answers one connection after the other with `answers` and returns the requests, heads and bodies.
pub(crate) fn engine_of(answers: &[&'static str]) -> (Engine, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let engine = Engine::at(Target::Tcp(listener.local_addr().unwrap()));
    let answers = answers.to_vec();
    let server = thread::spawn(move || {
        let answer = |answer: &str| {
            let (stream, _) = listener.accept().unwrap();
            let mut stream = BufReader::new(stream);
            let mut text = String::new();
            while !text.ends_with("\r\n\r\n") {
                stream.read_line(&mut text).unwrap();
            }
            if text.contains("chunked") {
                while !text.ends_with("0\r\n\r\n") {
                    stream.read_line(&mut text).unwrap();
                }
            }
            let length =
                text.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ").map(str::to_owned));
            let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
            stream.read_exact(&mut body).unwrap();
            text.push_str(&String::from_utf8(body).unwrap());
            stream.get_mut().write_all(answer.as_bytes()).unwrap();
            text
        };
        answers.into_iter().map(answer).collect()
    });
    (engine, server)
}

#[test]
fn an_error_in_the_progress_is_the_pulls_error() {
    let (engine, server) = engine(
        "HTTP/1.1 200 OK\r\n\r\n{\"status\":\"Pulling from x/y\",\"id\":\"latest\"}\n{\"status\":\"Downloading\",\"progressDetail\":{\"current\":1,\"total\":2},\"progress\":\"[>]\",\"id\":\"ab\"}\r\n{\"errorDetail\":{\"message\":\"no space left on device\"},\"error\":\"no space left on device\"}\n",
    );
    let mut said = Vec::new();
    let error = engine.create_image("x/y", "latest", &mut |line| said.push(line.to_owned())).unwrap_err();
    assert_eq!(error.to_string(), "no space left on device");
    assert_eq!(said, ["latest: Pulling from x/y"]);
    assert_eq!(server.join().unwrap(), "POST /images/create?fromImage=x%2Fy&tag=latest HTTP/1.1");
}

#[test]
fn a_refusal_keeps_the_engines_words() {
    let (engine, _server) = engine("HTTP/1.1 404 Not Found\r\n\r\n{\"message\":\"pull access denied for x/y\"}\n");
    let error = engine.create_image("x/y", "latest", &mut |_| ()).unwrap_err();
    assert_eq!(error.to_string(), "pull access denied for x/y");
}

#[test]
fn an_archive_is_streamed_and_the_loaded_name_is_said() {
    let (engine, server) = engine("HTTP/1.1 200 OK\r\n\r\n{\"stream\":\"Loaded image: x/y:latest\\n\"}\n");
    let mut said = Vec::new();
    engine.load_image(&mut &b"tar"[..], &mut |line| said.push(line.to_owned())).unwrap();
    assert_eq!(said, ["Loaded image: x/y:latest"]);
    assert_eq!(server.join().unwrap(), "POST /images/load?quiet=1 HTTP/1.1");
}

#[test]
fn a_container_is_read_or_absent() {
    let (here, server) = engine(
        "HTTP/1.1 200 OK\r\n\r\n{\"Id\":\"1\",\"Image\":\"sha256:ab\",\"Config\":{\"Image\":\"x/y:latest\",\"Env\":[]},\"State\":{\"Status\":\"exited\",\"ExitCode\":137,\"OOMKilled\":true}}",
    );
    let container = here.container("function").unwrap().unwrap();
    assert_eq!((container.image_id.as_str(), container.config.image.as_str()), ("sha256:ab", "x/y:latest"));
    assert!(container.state.is_over() && container.state.oom_killed && container.state.exit_code == 137);
    assert_eq!(server.join().unwrap(), "GET /containers/function/json HTTP/1.1");
    let (gone, _server) = engine("HTTP/1.1 404 Not Found\r\n\r\n{\"message\":\"No such container\"}");
    assert_eq!(gone.container("function").unwrap(), None);
}

#[test]
fn mirrors_are_compared_without_the_final_slash() {
    let info: Info =
        serde_json::from_str("{\"RegistryConfig\":{\"Mirrors\":[\"http://10.0.2.2:3003/\"]},\"NCPU\":2}").unwrap();
    assert!(info.has_mirror("http://10.0.2.2:3003"));
    assert!(!info.has_mirror("http://10.0.2.2:300"));
    let none: Info = serde_json::from_str("{\"RegistryConfig\":{\"Mirrors\":null}}").unwrap();
    assert!(!none.has_mirror("http://10.0.2.2:3003"));
}

#[test]
fn an_engine_that_never_comes_is_given_up() {
    let engine = Engine::at(Target::Unix("/nonexistent/docker.sock".into()));
    let error = engine.wait(Duration::from_millis(10)).unwrap_err().to_string();
    assert!(error.contains("/nonexistent/docker.sock") && error.contains("hint:"), "{error}");
}
