//! What a service manager is told: systemd's readiness protocol, without a library.
//!
//! Above: `serve`. Below: the socket that `NOTIFY_SOCKET` names. Without the variable nothing happens; a manager that
//! cannot be told is no reason to stop serving.

use std::{
    ffi::OsStr,
    io,
    os::{
        linux::net::SocketAddrExt as _,
        unix::{
            ffi::OsStrExt as _,
            net::{SocketAddr, UnixDatagram},
        },
    },
    path::Path,
};

/// The variable that names the manager's socket.
const SOCKET: &str = "NOTIFY_SOCKET";

/// Tells that the broker serves.
pub(crate) fn ready() {
    tell("READY=1\nSTATUS=serving");
}

/// Tells that the broker has begun to stop.
pub(crate) fn stopping() {
    tell("STOPPING=1\nSTATUS=answering what is in flight, then closing the logs");
}

fn tell(state: &str) {
    let Some(socket) = std::env::var_os(SOCKET).filter(|name| !name.is_empty()) else { return };
    if let Err(error) = send(&socket, state) {
        tracing::warn!(target: "mainstem::broker", socket = ?socket, %error, "the service manager cannot be told");
    }
}

/// One datagram to a socket in the file system, or with a leading `@` in Linux' abstract names.
fn send(socket: &OsStr, state: &str) -> io::Result<()> {
    let address = match socket.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(Path::new(socket))?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manager_hears_by_path_and_by_abstract_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let abstract_name = format!("mainstem-test-{}", std::process::id());
        let by_name = SocketAddr::from_abstract_name(&abstract_name).unwrap();
        for (listener, name) in [
            (UnixDatagram::bind(&path).unwrap(), path.clone().into_os_string()),
            (UnixDatagram::bind_addr(&by_name).unwrap(), format!("@{abstract_name}").into()),
        ] {
            send(&name, "READY=1").unwrap();
            let mut heard = [0; 16];
            let length = listener.recv(&mut heard).unwrap();
            assert_eq!(&heard[..length], b"READY=1");
        }
    }

    #[test]
    fn a_manager_that_is_gone_is_an_error_and_no_panic() {
        assert!(send(OsStr::new("/nowhere/notify"), "READY=1").is_err());
        assert!(send(OsStr::new("relative\0name"), "READY=1").is_err());
    }
}
