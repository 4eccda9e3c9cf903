//! Where the server listens: on this machine alone, unless there is a key.

use std::net::{SocketAddr, TcpListener, ToSocketAddrs};

use anyhow::Context;
use indwell::Error;

use crate::arguments::ServeArguments;

/// A listener that a runtime may poll.
///
/// # Errors
/// `invalid_request` for a host that others can reach, without a key; a name that is not known, and
/// a port that is taken.
pub(super) fn listen(arguments: &ServeArguments, has_key: bool) -> anyhow::Result<TcpListener> {
    let (host, port) = (arguments.host.as_str(), arguments.port);
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let addresses: Vec<SocketAddr> = (bare, port)
        .to_socket_addrs()
        .with_context(|| format!("{host} is not the address of this machine"))?
        .collect();
    check(host, &addresses, has_key)?;
    let listener = TcpListener::bind(&*addresses)
        .with_context(|| format!("{host}:{port} can't be listened on"))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn check(host: &str, addresses: &[SocketAddr], has_key: bool) -> Result<(), Error> {
    if has_key || addresses.iter().all(|address| address.ip().is_loopback()) {
        return Ok(());
    }
    Err(Error::invalid(
        "host",
        host,
        "an address of this machine alone, such as 127.0.0.1, where there is no API key",
        "give --api-key or set INDWELL_API_KEY, so that not everybody on the network is served",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_served_only_with_a_key() {
        let check = |address: &str, has_key| {
            check("host", &[address.parse().expect("an address")], has_key).is_ok()
        };
        for here in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1"] {
            assert!(check(here, false) && check(here, true), "{here}");
        }
        for wide in ["0.0.0.0:1", "[::]:1", "192.168.1.2:1"] {
            assert!(!check(wide, false) && check(wide, true), "{wide}");
        }
    }
}
