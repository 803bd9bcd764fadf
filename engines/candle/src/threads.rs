//! Threads of products and elementwise work.

use std::sync::Once;

/// Gives rayon's pool, which candle's products run in as well as our own, as many threads as every other engine has. The pool
/// is one for the process and is made once: the first load decides, as the setting is one for the process too. Without
/// this it would have one thread for each processor of the machine, whatever part of it this program may use.
pub(crate) fn start(count: u32) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let pool =
            rayon::ThreadPoolBuilder::new().num_threads(count.max(1) as usize).thread_name(|n| format!("candle-{n}"));
        if let Err(error) = pool.build_global() {
            tracing::debug!("rayon's pool is as it is: {error}");
        }
    });
}
