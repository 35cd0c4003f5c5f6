//! Rows as CSV (RFC 4180). Empty means absent.

use std::io::{self, BufRead, Write};

use futon_common::{Error, Result};

use super::rows::{COLUMNS, Row};

/// Writes rows with a header line.
///
/// # Errors
/// When writing fails.
pub fn write_rows<'a>(mut out: impl Write, rows: impl IntoIterator<Item = &'a Row>) -> io::Result<()> {
    writeln!(out, "{}", COLUMNS.join(","))?;
    for row in rows {
        let fields: Vec<String> = row.values.iter().map(|v| field(v.as_deref().unwrap_or(""))).collect();
        writeln!(out, "{}", fields.join(","))?;
    }
    Ok(())
}

/// A text as a field: quoted where it has to be.
#[must_use]
pub fn field(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

/// Columns that files of earlier versions lack.
const LATER: [&str; 1] = ["state"];

/// Reads rows that [`write_rows`] has written, of this version or an earlier one; columns may stand in any order, unknown ones are left
/// out.
///
/// # Errors
/// When a column is missing or a line is malformed.
pub fn read_rows(input: impl BufRead, name: &str) -> Result<Vec<Row>> {
    let malformed = |line: usize, why: &str| {
        Error::usage(format!("{name}: line {line}: {why}")).hint("`futon test --on gem5` writes such files")
    };
    let mut lines = input.lines();
    let header = lines.next().and_then(std::result::Result::ok).ok_or_else(|| malformed(1, "no header"))?;
    let header = split(&header).ok_or_else(|| malformed(1, "an open quote"))?;
    let at = COLUMNS
        .iter()
        .map(|column| {
            let found = header.iter().position(|h| h == column);
            if found.is_none() && !LATER.contains(column) {
                return Err(malformed(1, &format!("no column {column}")));
            }
            Ok(found)
        })
        .collect::<Result<Vec<_>>>()?;
    let mut rows = Vec::new();
    for (number, line) in (2..).zip(lines) {
        let line = line.map_err(|e| malformed(number, &e.to_string()))?;
        if line.trim().is_empty() {
            continue;
        }
        let fields = split(&line).ok_or_else(|| malformed(number, "an open quote"))?;
        if fields.len() != header.len() {
            return Err(malformed(number, &format!("{} fields, {} columns", fields.len(), header.len())));
        }
        let values = at.iter().map(|i| Some(fields[(*i)?].clone()).filter(|f| !f.is_empty())).collect();
        let mut row = Row { values, insts: None };
        row.insts = insts(&row);
        rows.push(row);
    }
    Ok(rows)
}

/// Instructions that a row lets one work out.
fn insts(row: &Row) -> Option<f64> {
    let counted = row.number("insts_user").zip(row.number("insts_kernel")).map(|(user, kernel)| user + kernel);
    counted.or_else(|| Some((row.number("active_cycles")? / row.number("cpi")?).round()))
}

fn split(line: &str) -> Option<Vec<String>> {
    let mut fields = Vec::new();
    let mut rest = line.trim_end_matches('\r');
    loop {
        let field;
        (field, rest) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_field(quoted)?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                (rest[..end].to_owned(), &rest[end..])
            }
        };
        fields.push(field);
        match rest.strip_prefix(',') {
            Some(after) => rest = after,
            None if rest.is_empty() => return Some(fields),
            None => return None,
        }
    }
}

fn quoted_field(text: &str) -> Option<(String, &str)> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let end = rest.find('"')?;
        field.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(after) => {
                field.push('"');
                rest = after;
            }
            None => return Some((field, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(function: &str) -> Row {
        let mut values = vec![None; COLUMNS.len()];
        values[1] = Some(function.to_owned());
        values[15] = Some("2000".into());
        values[18] = Some("2.000000".into());
        Row { values, insts: Some(1000.0) }
    }

    #[test]
    fn the_header_is_the_one_promised() {
        let mut out = Vec::new();
        write_rows(&mut out, &[]).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "run_id,function,image_digest,language,system,params_hash,gem5_version,checkpoint_key,core,software_warmup,\
             uarch_warmup,invocation,seed,insts_user,insts_kernel,active_cycles,quiesced_cycles,sim_ns,cpi,ipc,l1i_mpki,\
             l1d_mpki,l2_mpki,llc_mpki,itlb_mpki,dtlb_mpki,branch_mpki,host_s,host_mips,converged,verified,\
             state\n"
        );
    }

    #[test]
    fn rows_survive() {
        let rows = vec![row("plain"), row("a,b \"c\""), row("")];
        let mut out = Vec::new();
        write_rows(&mut out, &rows).unwrap();
        let mut back = read_rows(out.as_slice(), "x.csv").unwrap();
        assert_eq!(back[2].get("function"), None, "empty is absent");
        back[2].values[1] = Some(String::new());
        assert_eq!(back, rows);
    }

    #[test]
    fn a_file_from_before_there_were_states_is_read() {
        let mut out = Vec::new();
        write_rows(&mut out, &[row("f")]).unwrap();
        let text = String::from_utf8(out).unwrap();
        let old: String =
            text.lines().map(|line| format!("{}\n", line.rsplit_once(',').map_or(line, |(rest, _)| rest))).collect();
        assert!(!old.contains("state"));
        let rows = read_rows(old.as_bytes(), "x.csv").unwrap();
        assert_eq!((rows[0].get("function"), rows[0].get("state")), (Some("f"), None));
    }

    #[test]
    fn malformed_files_are_named() {
        let mut out = Vec::new();
        write_rows(&mut out, &[row("f")]).unwrap();
        let good = String::from_utf8(out).unwrap();
        for (text, why) in [
            (String::new(), "line 1"),
            ("a,b\n".into(), "no column run_id"),
            (format!("{good}1,2\n"), "line 3: 2 fields"),
            (format!("{good}\"open\n"), "open quote"),
        ] {
            let error = read_rows(text.as_bytes(), "x.csv").unwrap_err().to_string();
            assert!(error.contains("x.csv") && error.contains(why), "{error}");
        }
    }
}
