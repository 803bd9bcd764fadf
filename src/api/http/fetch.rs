//! Fetches an image that a client named by URL (`--allow-image-urls`).
//!
//! A server that fetches what strangers name must not become their way into its own network. So a host is resolved
//! once, every address that is not public is refused, and the connection goes to the address that was checked; each
//! redirect is treated as a new URL. Proxies of the environment are not used: they would resolve names themselves.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use reqwest::{Client, Url, header, redirect};

/// For all of it, redirects included.
const TIME: Duration = Duration::from_secs(20);
/// Most redirects.
const REDIRECTS: usize = 3;

/// The bytes at `url`, at most `most` of them.
///
/// # Errors
/// A phrase for the client that follows the name of the field; it quotes no address, which a stranger need not learn.
pub(crate) async fn image(url: &str, most: u64) -> Result<Vec<u8>, String> {
    fetch(url, most, is_public).await
}

async fn fetch(url: &str, most: u64, allowed: fn(IpAddr) -> bool) -> Result<Vec<u8>, String> {
    let work = follow(url, most, allowed);
    tokio::time::timeout(TIME, work).await.unwrap_or_else(|_| Err(format!("was not there within {} s", TIME.as_secs())))
}

async fn follow(url: &str, most: u64, allowed: fn(IpAddr) -> bool) -> Result<Vec<u8>, String> {
    let mut url = Url::parse(url).map_err(|error| format!("is no URL: {error}"))?;
    for _ in 0..=REDIRECTS {
        if !matches!(url.scheme(), "http" | "https") {
            return Err("leads to something else than http and https".into());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("has a user name or a password in it".into());
        }
        let client = client_for(&url, allowed).await?;
        let mut response = client.get(url.clone()).send().await.map_err(|error| unreachable(&error))?;
        if response.status().is_redirection() {
            let next = response.headers().get(header::LOCATION).and_then(|to| to.to_str().ok());
            let next = next.ok_or("leads to a redirect without a target")?;
            url = url.join(next).map_err(|error| format!("leads to something that is no URL: {error}"))?;
            continue;
        }
        if !response.status().is_success() {
            return Err(format!("is answered with status {}", response.status().as_u16()));
        }
        let too_large = || format!("is larger than {most} bytes");
        if response.content_length().is_some_and(|length| length > most) {
            return Err(too_large());
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(&error))? {
            if (bytes.len() + chunk.len()) as u64 > most {
                return Err(too_large());
            }
            bytes.extend_from_slice(&chunk);
        }
        return Ok(bytes);
    }
    Err(format!("leads through more than {REDIRECTS} redirects"))
}

/// A client that connects to the checked address of the URL's host and follows nothing.
async fn client_for(url: &Url, allowed: fn(IpAddr) -> bool) -> Result<Client, String> {
    let port = url.port_or_known_default().ok_or("has no port")?;
    let host = url.host_str().ok_or("has no host")?;
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let addresses: Vec<SocketAddr> = match bare.parse::<IpAddr>() {
        Ok(address) => vec![SocketAddr::new(address, port)],
        Err(_) => tokio::net::lookup_host((bare, port)).await.map_err(|_| "names a host that is not found")?.collect(),
    };
    let checked = addresses.first().ok_or("names a host that is not found")?;
    // One of several that is not public is enough to refuse: it is what such a host was made for.
    if !addresses.iter().all(|address| allowed(address.ip())) {
        return Err("names a host that is not on the public internet".into());
    }
    let builder = Client::builder().no_proxy().redirect(redirect::Policy::none()).resolve(host, *checked);
    let builder = builder.tls_backend_preconfigured(tern_catalog::hub::tls()?).connect_timeout(TIME);
    builder.build().map_err(|error| unreachable(&error))
}

fn unreachable(error: &reqwest::Error) -> String {
    let what = if error.is_connect() { "connection" } else { "transfer" };
    tracing::debug!(%error, "an image was not fetched");
    format!("could not be fetched: the {what} failed")
}

/// Whether an address is one that anybody could reach: none of the special ranges of IANA's registries.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || a == 0 // this network
        || a >= 240 // reserved, broadcast
        || (a == 100 && (64..128).contains(&b)) // shared by carriers
        || (a == 192 && b == 0 && c == 0) // protocol assignments
        || (a == 192 && b == 88 && c == 99) // 6to4 relays
        || (a == 198 && (18..20).contains(&b)); // benchmarks
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    // Addresses that carry one of IPv4 in them lead there.
    if let Some(v4) = address.to_ipv4_mapped() {
        return is_public_v4(v4);
    }
    // Global unicast, without documentation, Teredo, 6to4 and other special blocks; what translates to IPv4
    // (64:ff9b::/96) is outside of it.
    let global = segments[0] & 0xe000 == 0x2000;
    let special = segments[0] == 0x2002
        || (segments[0] == 0x2001 && segments[1] < 0x0200)
        || (segments[0] == 0x2001 && segments[1] == 0x0db8)
        || (segments[0] == 0x3fff && segments[1] < 0x1000);
    global && !special
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpListener,
        thread,
    };

    use super::*;

    #[test]
    fn addresses_of_this_machine_and_its_network_are_not_public() {
        for inside in [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "192.0.0.8",
            "198.18.0.1",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
            "::7f00:1",
            "fec0::1",
        ] {
            assert!(!is_public(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["1.1.1.1", "172.32.0.1", "100.128.0.1", "198.20.0.1", "2606:4700:4700::1111", "2a00:1450::1"] {
            assert!(is_public(outside.parse().unwrap()), "{outside}");
        }
    }

    /// Answers each connection with the next of these, on this machine.
    fn serve(answers: Vec<String>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for answer in answers {
                let (mut socket, _) = listener.accept().unwrap();
                let _ = socket.read(&mut [0; 4096]);
                socket.write_all(answer.as_bytes()).unwrap();
            }
        });
        format!("http://{address}/picture")
    }

    fn ok(body: &str) -> String {
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
    }

    fn to(place: &str) -> String {
        format!("HTTP/1.1 302 Found\r\nlocation: {place}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
    }

    #[tokio::test]
    async fn what_is_on_this_machine_is_refused_by_address_by_name_and_behind_a_redirect() {
        for url in
            ["http://127.0.0.1:9/", "http://localhost:9/", "http://[::1]:9/", "http://2130706433:9/", "http://0/"]
        {
            let refused = image(url, 100).await.unwrap_err();
            assert!(refused.contains("not on the public internet"), "{url}: {refused}");
        }
        // The first address is allowed here, the one it leads to is not.
        fn only_v4(address: IpAddr) -> bool {
            address.is_ipv4() && address != IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2))
        }
        let refused = fetch(&serve(vec![to("http://127.0.0.2:9/")]), 100, only_v4).await.unwrap_err();
        assert!(refused.contains("not on the public internet"), "{refused}");
    }

    #[tokio::test]
    async fn redirects_are_followed_a_few_times_and_sizes_are_bounded() {
        let all = |_: IpAddr| true;
        let url = serve(vec![to("/elsewhere"), ok("pixels")]);
        assert_eq!(fetch(&url, 6, all).await.unwrap(), b"pixels");
        let refused = fetch(&serve(vec![ok("pixels")]), 5, all).await.unwrap_err();
        assert!(refused.contains("larger than 5 bytes"), "{refused}");
        let endless = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n0123456789".to_owned();
        assert!(fetch(&serve(vec![endless]), 5, all).await.unwrap_err().contains("larger"));
        let round = serve((0..4).map(|_| to("/again")).collect());
        assert!(fetch(&round, 5, all).await.unwrap_err().contains("redirects"));
        assert!(fetch(&serve(vec![to("file:///etc/passwd")]), 5, all).await.unwrap_err().contains("http"));
        let missing = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned();
        assert!(fetch(&serve(vec![missing]), 5, all).await.unwrap_err().contains("404"));
    }
}
