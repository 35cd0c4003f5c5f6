//! `futon serve`: the exchange alone.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;

use exchange::ExchangeConfig;
use futon_cli::ServeArgs;
use futon_common::{Context, Error, Result};
use futon_model::{EventKind, ExitCode};
use futon_terminal::Ui;
use tokio::sync::mpsc::unbounded_channel;
use tokio_util::sync::CancellationToken;

use futon_prepare::places::store;

/// Serves a folder until it is stopped.
pub async fn serve(args: &ServeArgs, ui: &mut Ui, cancel: CancellationToken) -> Result<ExitCode> {
    if !args.dir.is_dir() {
        return Err(Error::usage(format!("no such folder: {}", args.dir.display())).hint("name the folder to serve"));
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, args.port)).map_err(|e| {
        Error::infra(format!("cannot listen on 127.0.0.1:{}", args.port))
            .caused_by(e)
            .hint("choose another port with --port")
    })?;
    let address = listener.local_addr().context(|| "cannot read the socket's address".into())?;
    let (events, mut incoming) = unbounded_channel();
    let mut config = ExchangeConfig::folder(args.dir.clone(), events);
    if args.images {
        config.store = Some(Arc::new(store(&args.resources.resources)?));
    }
    ui.line(&format!(
        "serving {} at http://{address}/ (a QEMU guest sees it at http://10.0.2.2:{}/); Ctrl-C ends it",
        args.dir.display(),
        address.port()
    ));
    let served = tokio::spawn(exchange::serve(listener, config, cancel));
    while let Some(event) = incoming.recv().await {
        if let Some(line) = describe(&event) {
            ui.line(&line);
        }
    }
    served.await.context(|| "the exchange stopped".into())?.context(|| "the exchange failed".into())?;
    Ok(ExitCode::Passed)
}

/// One line for a request.
fn describe(event: &EventKind) -> Option<String> {
    Some(match event {
        EventKind::FileRequested { path, status, bytes } => format!("GET  {status} {path} ({bytes} bytes)"),
        EventKind::RunScriptRequested { status, .. } => format!("GET  {status} /run.sh"),
        EventKind::ImageRequested { reference, status, .. } => format!("PULL {status} {reference}"),
        EventKind::Uploaded { name, stored_as, bytes, .. } if name == stored_as => {
            format!("PUT  ok  {name} ({bytes} bytes)")
        }
        EventKind::Uploaded { name, stored_as, bytes, .. } => {
            format!("PUT  ok  {name}, kept as {stored_as} ({bytes} bytes)")
        }
        EventKind::UploadFailed { name, status, why, .. } => format!("PUT  {status} {name}: {why}"),
        EventKind::Guest { guest, .. } => format!("said {guest:?}"),
        _ => return None,
    })
}
