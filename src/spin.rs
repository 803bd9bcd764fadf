//! How long idle OpenMP threads spin before they sleep.
//!
//! llama.cpp's threads meet at a barrier after every operation, so that some spinning pays; but libgomp's default
//! keeps them spinning for about a millisecond after each forward pass too, on the very processors that the sampler,
//! the HTTP threads and the clients then need. Measured on 2 cores, Qwen2.5-0.5B shape Q8_0, through HTTP: 38.8
//! tokens/s with the default, 41.9 with the limit below; 2 streams 40.3 and 47.9 in all, 8 streams 65.5 and 70.0.
//! Without any spinning: 25.9.

use std::{env, process::Command};

/// Spins of an idle thread: some tens of microseconds.
const SPINS: &str = "4000";

/// Starts this program anew with the limit in its environment, unless the environment says something already.
/// libgomp reads it when it is loaded, before `main`, so that setting it from here would be too late. Costs a
/// millisecond; returns when there is nothing to do, or when it cannot be done.
pub fn limit() {
    let decided = ["GOMP_SPINCOUNT", "OMP_WAIT_POLICY"].iter().any(|name| env::var_os(name).is_some());
    if decided || !cfg!(feature = "llama") {
        return;
    }
    #[cfg(target_os = "linux")]
    if let Ok(program) = env::current_exe() {
        use std::os::unix::process::CommandExt;
        let mut args = env::args_os();
        let mut command = Command::new(program);
        if let Some(name) = args.next() {
            command.arg0(name);
        }
        // On success this does not return: same process, same id, the program from its beginning.
        let _ = command.args(args).env("GOMP_SPINCOUNT", SPINS).exec();
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (SPINS, Command::new);
}
