//! Forms (`multipart/form-data`), read as they stream in: memory stays at about one piece of the body.

use bytes::{Bytes, BytesMut};
use hyper::header::{CONTENT_TYPE, HeaderMap};
use memchr::memmem::Finder;

use super::connection::Pieces;
use super::error::Refusal;

/// Longest header of one part, bytes.
const MAX_HEADER: usize = 16 << 10;

/// Longest boundary, by the standard.
const MAX_BOUNDARY: usize = 70;

/// The boundary of a form, when the request is one.
pub(super) fn boundary(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let (kind, parameters) = value.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    parameter(parameters, "boundary").filter(|b| !b.is_empty() && b.len() <= MAX_BOUNDARY)
}

/// A part of a form.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Name of the field.
    pub name: Option<String>,
    /// Name of the file, where the field is one.
    pub filename: Option<String>,
}

/// Reads a form: [`next_part`](Self::next_part), then [`next_piece`](Self::next_piece) until it gives `None`, and again.
#[derive(Debug)]
pub(super) struct Form<'a, S> {
    source: &'a mut S,
    finder: Finder<'static>,
    data: Bytes,
    place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In a part's content, or before the first part.
    Content,
    /// Right behind a delimiter.
    Delimiter,
    /// Behind the last one.
    End,
}

impl<'a, S: Pieces> Form<'a, S> {
    pub fn new(source: &'a mut S, boundary: &str) -> Self {
        let delimiter = format!("\r\n--{boundary}");
        // The first delimiter stands at the very start, without a line before it.
        Self {
            source,
            finder: Finder::new(&delimiter).into_owned(),
            data: Bytes::from_static(b"\r\n"),
            place: Place::Content,
        }
    }

    /// The next part; what is left of the current one is skipped. `None` at the end of the form.
    pub async fn next_part(&mut self) -> Result<Option<Part>, Refusal> {
        while self.next_piece().await?.is_some() {}
        if self.place == Place::End {
            return Ok(None);
        }
        while self.data.len() < 2 {
            self.more().await?;
        }
        if self.data.starts_with(b"--") {
            self.place = Place::End;
            // What follows the end means nothing, but has to be read for the connection to go on.
            self.data = Bytes::new();
            while self.source.piece().await?.is_some() {}
            return Ok(None);
        }
        let header = self.header().await?;
        self.place = Place::Content;
        part(&header).map(Some)
    }

    /// The next piece of the current part's content; `None` at its end.
    pub async fn next_piece(&mut self) -> Result<Option<Bytes>, Refusal> {
        if self.place != Place::Content {
            return Ok(None);
        }
        loop {
            let delimiter = self.finder.needle();
            if let Some(at) = self.finder.find(&self.data) {
                let piece = self.data.split_to(at);
                if piece.is_empty() {
                    let _ = self.data.split_to(delimiter.len());
                    self.place = Place::Delimiter;
                    return Ok(None);
                }
                return Ok(Some(piece));
            }
            // All but what may be the start of a delimiter is content.
            let sure = self.data.len() - possible_start(&self.data, delimiter);
            if sure > 0 {
                return Ok(Some(self.data.split_to(sure)));
            }
            self.more().await?;
        }
    }

    /// The lines between a delimiter and the content.
    async fn header(&mut self) -> Result<Bytes, Refusal> {
        let end = Finder::new(b"\r\n\r\n");
        loop {
            if let Some(at) = end.find(&self.data) {
                let header = self.data.split_to(at + 4);
                // Spaces may stand behind the delimiter; the header begins on the next line.
                let line = memchr::memmem::find(&header, b"\r\n").unwrap_or(0);
                if header[..line].iter().any(|b| *b != b' ' && *b != b'\t') {
                    return Err(Refusal::bad("the form has text behind a boundary"));
                }
                return Ok(header.slice(line + 2..));
            }
            if self.data.len() > MAX_HEADER {
                return Err(Refusal::bad("a part of the form has a header that is too long"));
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> Result<(), Refusal> {
        let Some(piece) = self.source.piece().await? else {
            return Err(Refusal::bad("the form ends before its last boundary"));
        };
        if self.data.is_empty() {
            self.data = piece;
        } else {
            let mut joined = BytesMut::with_capacity(self.data.len() + piece.len());
            joined.extend_from_slice(&self.data);
            joined.extend_from_slice(&piece);
            self.data = joined.freeze();
        }
        Ok(())
    }
}

/// How many bytes at the end of `data` could be the start of `delimiter`.
fn possible_start(data: &[u8], delimiter: &[u8]) -> usize {
    let tail = &data[data.len().saturating_sub(delimiter.len() - 1)..];
    memchr::memchr_iter(b'\r', tail)
        .map(|at| &tail[at..])
        .find(|rest| delimiter.starts_with(rest))
        .map_or(0, <[u8]>::len)
}

/// Reads a part's header lines.
fn part(header: &[u8]) -> Result<Part, Refusal> {
    let mut part = Part { name: None, filename: None };
    let text =
        std::str::from_utf8(header).map_err(|_| Refusal::bad("a part of the form has a header that is not UTF-8"))?;
    for line in text.split("\r\n") {
        let Some((key, value)) = line.split_once(':') else { continue };
        if key.trim().eq_ignore_ascii_case("content-disposition") {
            let parameters = value.split_once(';').map_or("", |(_, parameters)| parameters);
            part.name = parameter(parameters, "name");
            part.filename = parameter(parameters, "filename");
        }
    }
    Ok(part)
}

/// A parameter of a header value: `; key=value` or `; key="value"`, with `\"` and `\\` in the quotes.
fn parameter(parameters: &str, key: &str) -> Option<String> {
    let mut rest = parameters;
    loop {
        rest = rest.trim_start_matches([';', ' ', '\t']);
        let (name, after) = rest.split_once('=')?;
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => {
                let end = after.find(';').unwrap_or(after.len());
                (after[..end].trim().to_owned(), &after[end..])
            }
        };
        if name.trim().eq_ignore_ascii_case(key) {
            return Some(value);
        }
        rest = after;
    }
}

fn unquote(quoted: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = quoted.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        match (character, characters.peek()) {
            ('"', _) => return Some((value, &quoted[at + 1..])),
            ('\\', Some((_, escaped @ ('"' | '\\')))) => {
                value.push(*escaped);
                characters.next();
            }
            (character, _) => value.push(character),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    struct Cut(VecDeque<Bytes>);

    impl Pieces for Cut {
        async fn piece(&mut self) -> Result<Option<Bytes>, Refusal> {
            Ok(self.0.pop_front())
        }
    }

    type Parts = Vec<(Option<String>, Option<String>, Vec<u8>)>;

    async fn read(body: &[u8], size: usize) -> Result<Parts, Refusal> {
        let mut source = Cut(body.chunks(size).map(Bytes::copy_from_slice).collect());
        let mut form = Form::new(&mut source, "XX");
        let mut parts = Vec::new();
        while let Some(part) = form.next_part().await? {
            let mut content = Vec::new();
            while let Some(piece) = form.next_piece().await? {
                assert!(!piece.is_empty());
                content.extend_from_slice(&piece);
            }
            parts.push((part.name, part.filename, content));
        }
        Ok(parts)
    }

    const FORM: &[u8] = b"--XX\r\nContent-Disposition: form-data; name=\"files\"; filename=\"a.log\"\r\nContent-Type: text/plain\r\n\r\n\
        one\r\n--X\r\r\n-two\r\n\r\n--XX\r\ncontent-disposition: form-data; filename=b;name=other\r\n\r\n\r\n--XX  \r\n\r\nno header\r\n--XX--\r\nrest";

    #[tokio::test]
    async fn a_form_reads_the_same_however_it_is_cut() {
        let some = |text: &str| Some(text.to_owned());
        let expected: Parts = vec![
            (some("files"), some("a.log"), b"one\r\n--X\r\r\n-two\r\n".to_vec()),
            (some("other"), some("b"), Vec::new()),
            (None, None, b"no header".to_vec()),
        ];
        for size in 1..=FORM.len() {
            assert_eq!(read(FORM, size).await.unwrap(), expected, "cut every {size} bytes");
        }
    }

    #[tokio::test]
    async fn a_form_that_breaks_off_is_an_error_wherever_it_does() {
        let whole = FORM.len() - "\r\nrest".len();
        for end in 0..whole {
            assert!(read(&FORM[..end], 7).await.is_err(), "cut at {end}");
        }
        assert!(read(&FORM[..whole], 7).await.is_ok());
        let endless = [b"--XX\r\nA: ", "b".repeat(100_000).as_bytes()].concat();
        assert!(read(&endless, 4096).await.is_err());
        assert!(read(b"--XXjunk\r\n\r\nx\r\n--XX--", 64).await.is_err());
    }

    #[test]
    fn parameters_in_all_their_spellings() {
        let value = "form-data; name=\"fi\\\"les\"; filename=\"C:\\dir\\a;b=c.txt\"; x=1";
        let parameters = value.split_once(';').unwrap().1;
        assert_eq!(parameter(parameters, "name").unwrap(), "fi\"les");
        assert_eq!(parameter(parameters, "FileName").unwrap(), "C:\\dir\\a;b=c.txt");
        assert_eq!(parameter(parameters, "x").unwrap(), "1");
        assert_eq!(parameter(parameters, "y"), None);
        assert_eq!(parameter("name=\"open", "name"), None);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, "Multipart/Form-Data; charset=x; boundary=\"a b\"".parse().unwrap());
        assert_eq!(boundary(&headers).unwrap(), "a b");
        headers.insert(CONTENT_TYPE, "text/plain; boundary=x".parse().unwrap());
        assert_eq!(boundary(&headers), None);
    }
}
