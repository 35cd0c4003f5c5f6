//! The list of a folder, as a page for people.

use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use super::names::{PARTIAL_PREFIX, encode};

/// Most names that a page shows.
const MAX_SHOWN: usize = 10_000;

/// The names in an open folder, folders with a slash at the end, sorted.
pub(super) fn names(folder: &File) -> io::Result<Vec<String>> {
    let mut names: Vec<String> = std::fs::read_dir(format!("/proc/self/fd/{}", folder.as_raw_fd()))?
        .flatten()
        .filter_map(|entry| {
            let slash = if entry.file_type().is_ok_and(|t| t.is_dir()) { "/" } else { "" };
            entry.file_name().into_string().ok().map(|name| name + slash)
        })
        .filter(|name| !name.starts_with(PARTIAL_PREFIX))
        .collect();
    names.sort_unstable();
    Ok(names)
}

/// The page.
pub(super) fn page(path: &str, names: &[String]) -> String {
    let title = escape(path);
    let mut page = format!(
        "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>{title}</title></head><body>\n\
         <h1>{title}</h1><p><a href=\"/upload\">upload</a></p><hr><ul>\n"
    );
    for name in names.iter().take(MAX_SHOWN) {
        let (stem, slash) = name.strip_suffix('/').map_or((name.as_str(), ""), |stem| (stem, "/"));
        // Writing to a string cannot fail.
        let _ = writeln!(page, "<li><a href=\"./{}{slash}\">{}</a></li>", encode(stem), escape(name));
    }
    if names.len() > MAX_SHOWN {
        let _ = writeln!(page, "<li>… and {} more</li>", names.len() - MAX_SHOWN);
    }
    page.push_str("</ul><hr></body></html>\n");
    page
}

/// The form that `GET /upload` shows.
pub(super) const UPLOAD_PAGE: &str = "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>Upload</title></head><body>\n\
    <h1>Upload</h1><form action=\"upload\" method=\"POST\" enctype=\"multipart/form-data\">\n\
    <input name=\"files\" type=\"file\" multiple> <input type=\"submit\" value=\"Upload\"></form>\n\
    <p><a href=\"/\">files</a></p></body></html>\n";

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_the_page() {
        let page = page("/<b>", &["a\"><script>.txt".to_owned(), "sub/".to_owned()]);
        assert!(!page.contains("<script>") && !page.contains("<b>"), "{page}");
        assert!(page.contains("href=\"./sub/\"") && page.contains("a%22%3E%3Cscript%3E.txt"), "{page}");
    }
}
