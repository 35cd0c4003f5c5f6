//! Bytes that come in pieces, as a socket brings them; for tests of connections.

/// Gives `receive` what it has not used yet and the next `piece` bytes, until it has seen all of them or fails.
///
/// # Errors
/// The first error of `receive`.
pub fn in_pieces(
    bytes: &[u8],
    piece: usize,
    mut receive: impl FnMut(&[u8]) -> Result<usize, String>,
) -> Result<(), String> {
    let mut inbox = Vec::new();
    for part in bytes.chunks(piece) {
        inbox.extend_from_slice(part);
        let used = receive(&inbox)?;
        inbox.drain(..used);
    }
    Ok(())
}
