//! A multipart form of one file, as `curl -F files=@FILE` sends it.

use std::io::{Cursor, Read};

/// A form whose length is known before it is sent.
#[derive(Debug)]
pub struct Multipart {
    boundary: String,
    head: Vec<u8>,
    tail: Vec<u8>,
}

impl Multipart {
    /// A form with one field `files` that holds a file called `name`. `salt` makes the boundary one that no file holds by chance.
    pub fn file(name: &str, salt: u64) -> Self {
        let boundary = format!("futon-{salt:016x}-{:08x}", std::process::id());
        let name = name.replace('"', "%22").replace(['\r', '\n'], " ");
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{name}\"\r\nContent-Type: application/octet-stream\r\n\r\n"
        );
        let tail = format!("\r\n--{boundary}--\r\n");
        Self { boundary, head: head.into_bytes(), tail: tail.into_bytes() }
    }

    /// Value of the `Content-Type` header.
    pub fn content_type(&self) -> String {
        format!("multipart/form-data; boundary={}", self.boundary)
    }

    /// Length of the whole form around a file of `length` bytes.
    pub fn length(&self, length: u64) -> u64 {
        self.head.len() as u64 + length + self.tail.len() as u64
    }

    /// The form around a file.
    pub fn around<'a>(&'a self, file: impl Read + 'a) -> impl Read + 'a {
        Cursor::new(&self.head).chain(file).chain(Cursor::new(&self.tail))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_what_curl_sends() {
        let form = Multipart::file("results.log", 7);
        let mut text = String::new();
        form.around(&b"data"[..]).read_to_string(&mut text).unwrap();
        assert_eq!(text.len() as u64, form.length(4));
        let boundary = form.content_type().split_once("boundary=").unwrap().1.to_owned();
        assert_eq!(
            text,
            format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"files\"; filename=\"results.log\"\r\nContent-Type: application/octet-stream\r\n\r\ndata\r\n--{boundary}--\r\n"
            )
        );
    }

    #[test]
    fn a_name_cannot_end_its_header() {
        let form = Multipart::file("a\"\r\nX: y", 7);
        let head = String::from_utf8(form.head).unwrap();
        assert!(head.contains("filename=\"a%22  X: y\"\r\n"), "{head}");
    }
}
