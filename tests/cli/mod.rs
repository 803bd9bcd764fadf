//! The commands as a user runs them: what they print, how they fail, what signals do.

mod bench; // tern bench, here and against servers
mod chat; // tern chat, with a model of its own and with a server
mod compare; // tern compare, here and by a server
mod convert; // tern convert: a folder becomes a file
mod keys; // keys, addresses that others reach, TLS
mod lasting; // conversations over the end of a server, kind or not
mod models; // tern models, inspect, doctor, openapi: looking without loading
mod pull; // tern pull, and the same over HTTP
mod serve; // tern serve: start, port, signals
mod settings; // flags, environment, tern.toml, help
mod support; // runs the binary; nothing clever
