//! What lies under every endpoint: bodies in, JSON and event streams out, the accept loop with TLS, and what holds for
//! all requests (ids, hosts, origins, paths).

pub(crate) mod body;
pub(crate) mod dialect;
pub(crate) mod download;
pub(crate) mod envelope;
pub(crate) mod fetch;
pub(crate) mod lenient;
pub(crate) mod ndjson;
pub(crate) mod server;
pub(crate) mod shown;
pub(crate) mod sse;
pub(crate) mod tls;
pub(crate) mod union;
pub(crate) mod upload;
pub(crate) mod upload_fields;
