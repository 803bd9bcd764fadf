//! Where the hub is, who asks, and how patient we are. Read from the variables that Hugging Face's own library reads.

use std::{
    env,
    ffi::OsString,
    fmt, fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use reqwest::Url;

/// The hub that is asked unless `HF_ENDPOINT` names another.
pub const DEFAULT_ENDPOINT: &str = "https://huggingface.co";

/// Tells how many bytes an unprivileged program may still write below a path. `None`: cannot be told.
pub type FreeSpace = Arc<dyn Fn(&Path) -> Option<u64> + Send + Sync>;

/// Everything that decides how the hub is talked to.
#[derive(Clone)]
pub struct Settings {
    /// Scheme, host and port of the hub. The token goes to no other.
    pub endpoint: Url,
    /// Proves who asks; needed for repositories whose licence must be accepted.
    pub token: Option<Token>,
    /// The cache shared with other programs: `HF_HUB_CACHE`.
    pub cache_dir: PathBuf,
    /// Send nothing at all; what is not in the cache is an error.
    pub offline: bool,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest silence: for an answer to begin, and between two pieces of it. Has no bearing on the whole download.
    pub idle_timeout: Duration,
    /// What happens after a failure that may pass.
    pub retry: Retry,
    /// Free space of a disk.
    pub free_space: FreeSpace,
}

/// When to try again. Attempts that brought the file forward by a mebibyte or more do not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Attempts in all, at least one.
    pub attempts: u32,
    /// Wait after the first failure; it doubles with each further one.
    pub first_wait: Duration,
    /// Longest wait, also when the hub asks for more by `Retry-After`: then the pull fails and says so.
    pub longest_wait: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        let (first_wait, longest_wait) = (Duration::from_secs(1), Duration::from_secs(60));
        Self { attempts: 6, first_wait, longest_wait }
    }
}

/// A secret. It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Wraps a token; blank text and text that no header can carry are none.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic())).then(|| Self(text.to_owned()))
    }

    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(hidden)")
    }
}

/// Why the environment's settings cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// `HF_ENDPOINT` is no address of a hub.
    #[error("HF_ENDPOINT={value:?}: expected http://HOST or https://HOST without user, query or fragment")]
    Endpoint {
        /// What it holds.
        value: String,
    },
    /// No variable says where the cache is.
    #[error("no place for the hub's cache: set HF_HOME, HF_HUB_CACHE or HOME")]
    NoHome,
}

impl Settings {
    /// Settings for a cache in `cache_dir`, with the public hub, no token and the usual patience.
    pub fn new(cache_dir: PathBuf) -> Self {
        Self {
            endpoint: Url::parse(DEFAULT_ENDPOINT).expect("the default endpoint is an address; otherwise a bug"),
            token: None,
            cache_dir,
            offline: false,
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(30),
            retry: Retry::default(),
            free_space: Arc::new(free_space),
        }
    }

    /// Reads `HF_ENDPOINT`, `HF_TOKEN` (else the token file of `HF_TOKEN_PATH` or `HF_HOME/token`), `HF_HOME`,
    /// `HF_HUB_CACHE`, `HF_HUB_OFFLINE` and `HF_HUB_DISABLE_IMPLICIT_TOKEN`. An empty variable counts as unset.
    ///
    /// # Errors
    /// [`SettingsError`], naming the variable.
    pub fn from_env() -> Result<Self, SettingsError> {
        Self::from_vars(|name| env::var_os(name))
    }

    /// As [`Settings::from_env`], from any source of variables.
    ///
    /// # Errors
    /// [`SettingsError`], naming the variable.
    pub fn from_vars(var: impl Fn(&str) -> Option<OsString>) -> Result<Self, SettingsError> {
        let var = |name: &str| var(name).filter(|value| !value.is_empty());
        let text = |name: &str| var(name).and_then(|value| value.into_string().ok());
        let truth = |name: &str| {
            text(name).is_some_and(|v| matches!(v.to_ascii_uppercase().as_str(), "1" | "ON" | "YES" | "TRUE"))
        };
        let user = var("HOME").or_else(|| var("USERPROFILE")).map(PathBuf::from);
        let path = |name: &str| var(name).map(|value| expand(PathBuf::from(value), user.as_deref()));
        let home = path("HF_HOME")
            .or_else(|| path("XDG_CACHE_HOME").map(|cache| cache.join("huggingface")))
            .or_else(|| user.as_ref().map(|user| user.join(".cache/huggingface")));
        let cache_dir = path("HF_HUB_CACHE")
            .or_else(|| path("HUGGINGFACE_HUB_CACHE"))
            .or_else(|| home.as_ref().map(|home| home.join("hub")))
            .ok_or(SettingsError::NoHome)?;

        let mut settings = Self::new(cache_dir);
        if let Some(value) = text("HF_ENDPOINT") {
            settings.endpoint = endpoint(&value)?;
        }
        settings.offline = truth("HF_HUB_OFFLINE") || truth("TRANSFORMERS_OFFLINE");
        if !truth("HF_HUB_DISABLE_IMPLICIT_TOKEN") {
            let file = path("HF_TOKEN_PATH").or_else(|| home.map(|home| home.join("token")));
            let given = text("HF_TOKEN").or_else(|| text("HUGGING_FACE_HUB_TOKEN"));
            let written = || fs::read_to_string(file?).ok();
            settings.token = given.or_else(written).and_then(|text| Token::new(&text));
        }
        Ok(settings)
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("endpoint", &self.endpoint.as_str())
            .field("token", &self.token)
            .field("cache_dir", &self.cache_dir)
            .field("offline", &self.offline)
            .field("connect_timeout", &self.connect_timeout)
            .field("idle_timeout", &self.idle_timeout)
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}

fn endpoint(value: &str) -> Result<Url, SettingsError> {
    let refuse = || SettingsError::Endpoint { value: value.to_owned() };
    let url = Url::parse(value.trim()).map_err(|_| refuse())?;
    let plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    let sound = matches!(url.scheme(), "http" | "https") && url.has_host() && plain && url.fragment().is_none();
    sound.then_some(url).ok_or_else(refuse)
}

fn expand(path: PathBuf, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix("~"), home) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path,
    }
}

/// Asks the file system. The path need not exist yet: its nearest existing parent is asked.
#[cfg(unix)]
fn free_space(path: &Path) -> Option<u64> {
    let existing = path.ancestors().find(|path| path.exists())?;
    let stat = rustix::fs::statvfs(existing).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Not asked here: a full disk is still reported when it is met.
#[cfg(not(unix))]
fn free_space(_path: &Path) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(vars: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        Settings::from_vars(|name| vars.iter().find(|(n, _)| *n == name).map(|(_, value)| value.into()))
    }

    #[test]
    fn the_cache_is_where_huggingface_hub_has_it() {
        let cache = |vars: &[(&str, &str)]| read(vars).unwrap().cache_dir;
        assert_eq!(cache(&[("HOME", "/h")]), Path::new("/h/.cache/huggingface/hub"));
        assert_eq!(cache(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")]), Path::new("/x/huggingface/hub"));
        assert_eq!(cache(&[("HOME", "/h"), ("HF_HOME", "~/hf")]), Path::new("/h/hf/hub"));
        assert_eq!(cache(&[("HF_HOME", "/hf"), ("HF_HUB_CACHE", "/cache")]), Path::new("/cache"));
        assert_eq!(read(&[]).unwrap_err(), SettingsError::NoHome);
    }

    #[test]
    fn a_token_comes_from_the_environment_or_the_file_and_is_never_printed() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("token"), "hf_file\n").unwrap();
        let home = dir.path().to_str().unwrap();
        let token = |vars: &[(&str, &str)]| read(vars).unwrap().token.map(|token| token.bearer());
        assert_eq!(token(&[("HF_HOME", home)]).as_deref(), Some("Bearer hf_file"));
        assert_eq!(token(&[("HF_HOME", home), ("HF_TOKEN", "hf_env")]).as_deref(), Some("Bearer hf_env"));
        assert_eq!(token(&[("HF_HOME", home), ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")]), None);
        assert!(!format!("{:?}", read(&[("HF_HOME", home)]).unwrap()).contains("hf_file"));
    }

    #[test]
    fn an_endpoint_must_be_an_address() {
        let endpoint = |value: &str| read(&[("HOME", "/h"), ("HF_ENDPOINT", value)]).map(|s| s.endpoint.to_string());
        assert_eq!(endpoint("https://mirror.example/hf/").unwrap(), "https://mirror.example/hf/");
        for value in ["mirror.example", "ftp://mirror.example", "https://user:pass@mirror.example", "https://m/?a=b"] {
            assert_eq!(endpoint(value).unwrap_err(), SettingsError::Endpoint { value: value.into() });
        }
    }

    #[test]
    fn offline_is_read_as_a_truth_value() {
        let offline = |value: &str| read(&[("HOME", "/h"), ("HF_HUB_OFFLINE", value)]).unwrap().offline;
        assert!(offline("1") && offline("true") && offline("YES"));
        assert!(!offline("0") && !offline("") && !offline("no"));
    }

    #[test]
    fn the_disk_says_how_much_is_free() {
        let dir = tempfile::tempdir().unwrap();
        assert!(free_space(&dir.path().join("not/there/yet")).is_some_and(|free| free > 0));
    }
}
