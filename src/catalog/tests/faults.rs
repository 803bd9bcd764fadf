use std::{fs, sync::Arc, time::Duration};

use tern_catalog::{PullError, Stage};

use crate::support::{COMMIT, FakeHub, Gate, Place, Reply, body, hub::at, pull, pull_watched, sha256};

const A: &str = "org/name:a.gguf";

/// A hub with `a.gguf` of `len` bytes whose transfer answers by `script(request, nth, bytes, etag)`.
fn hub_with(
    len: usize,
    script: impl Fn(&crate::support::hub::Request, usize, &[u8], &str) -> Reply + Send + Sync + 'static,
) -> (FakeHub, Vec<u8>, String) {
    let (hub, bytes) = (FakeHub::start(), body(len));
    let etag = hub.put("a.gguf", &bytes);
    let (served, tag) = (bytes.clone(), etag.clone());
    hub.on("GET", &at(COMMIT, "a.gguf"), move |request, nth| script(request, nth, &served, &tag));
    (hub, bytes, etag)
}

#[tokio::test]
async fn a_refused_transfer_stores_nothing_and_says_what_to_do() {
    let (hub, ..) = hub_with(1000, |_, _, _, _| Reply::new(403, "<html>gated</html>"));
    let place = Place::new(&hub);
    let error = place.pull(A).await.unwrap_err();
    assert!(matches!(error, PullError::Forbidden { status: 403, token_sent: false, .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("HF_TOKEN") && text.contains(&format!("{}/org/name", hub.url())), "{text}");
    assert!(place.catalog().local().is_empty());
    assert_eq!(hub.count("GET", "a.gguf"), 1, "asking again would not help");
}

#[tokio::test]
async fn a_gated_repository_is_told_from_a_missing_one() {
    let hub = FakeHub::start();
    hub.on("HEAD", &at("main", "gated.gguf"), |_, _| Reply::new(401, "").header("x-error-code", "GatedRepo"));
    hub.on("GET", "/api/models/org/name/revision/main", |_, _| {
        Reply::new(200, r#"{"siblings":[{"rfilename":"README.md"},{"rfilename":"real-q8_0.gguf"}]}"#)
    });
    let place = Place::new(&hub);
    let error = place.pull("org/name:gated.gguf").await.unwrap_err();
    assert!(matches!(error, PullError::Forbidden { status: 401, .. }), "{error:?}");
    let error = place.pull("org/name:missing.gguf").await.unwrap_err();
    assert!(matches!(error, PullError::NotFound { what: "file", .. }), "{error:?}");
    assert!(error.to_string().contains("it has real-q8_0.gguf"), "{error}");
}

#[tokio::test]
async fn an_expired_link_to_the_storage_is_replaced_by_a_new_one() {
    let (hub, storage, bytes) = (FakeHub::start(), FakeHub::start(), body(1000));
    hub.put("a.gguf", &bytes);
    let to = storage.url();
    hub.on("GET", &at(COMMIT, "a.gguf"), move |_, nth| Reply::new(302, "").header("location", format!("{to}/{nth}")));
    storage.on("GET", "/0", |_, _| Reply::new(403, "<Error>expired</Error>"));
    let served = bytes.clone();
    storage.on("GET", "/1", move |request, _| Reply::file(request, &served, "x"));
    assert_eq!(Place::new(&hub).pull(A).await.unwrap(), bytes);
}

#[tokio::test]
async fn a_busy_hub_is_asked_again_and_its_excuse_is_never_stored() {
    let (hub, bytes, _) = hub_with(1000, |request, nth, bytes, etag| match nth {
        0 | 1 => Reply::new(503, "busy"),
        _ => Reply::file(request, bytes, etag),
    });
    assert_eq!(Place::new(&hub).pull(A).await.unwrap(), bytes);

    let (hub, ..) = hub_with(1000, |_, _, _, _| Reply::new(503, "busy"));
    let place = Place::new(&hub);
    let error = place.pull(A).await.unwrap_err();
    assert!(matches!(error, PullError::Status { status: 503, attempts: 3, .. }), "{error:?}");
    assert_eq!(hub.count("GET", "a.gguf"), 3);
    assert!(place.catalog().local().is_empty());
}

#[tokio::test]
async fn retry_after_is_honoured_and_a_long_one_is_reported() {
    let (hub, bytes, _) = hub_with(1000, |request, nth, bytes, etag| match nth {
        0 => Reply::new(429, "").header("retry-after", 0),
        _ => Reply::file(request, bytes, etag),
    });
    let mut place = Place::new(&hub);
    // Waiting for our own patience instead of the hub's would take an hour.
    place.settings.retry.first_wait = Duration::from_secs(3600);
    assert_eq!(place.pull(A).await.unwrap(), bytes);

    let (hub, ..) = hub_with(1000, |_, _, _, _| Reply::new(429, "").header("retry-after", 100_000));
    let error = Place::new(&hub).pull(A).await.unwrap_err();
    assert!(matches!(error, PullError::RateLimited { wait, .. } if wait.as_secs() == 100_000), "{error:?}");
}

#[tokio::test]
async fn a_body_shorter_than_announced_is_not_a_model() {
    let (hub, ..) = hub_with(300_000, |_, _, bytes, _| Reply::new(200, &bytes[..1000]));
    let place = Place::new(&hub);
    let error = place.pull(A).await.unwrap_err();
    assert!(matches!(error, PullError::Size { got: 1000, expected: 300_000, .. }), "{error:?}");
    assert!(place.blobs().is_empty());
}

#[tokio::test]
async fn a_body_without_length_that_ends_early_or_late_is_not_a_model() {
    // "transfer-encoding: identity" keeps the length off: the body ends with the connection.
    let unframed = |bytes: &[u8]| Reply::new(200, bytes).header("transfer-encoding", "identity");
    let (hub, ..) = hub_with(300_000, move |_, _, bytes, _| unframed(&bytes[..1000]));
    let error = Place::new(&hub).pull(A).await.unwrap_err();
    assert!(matches!(error, PullError::Size { got: 1000, .. } | PullError::Connection { .. }), "{error:?}");

    let (hub, ..) = hub_with(1000, move |_, _, bytes, _| unframed(&[bytes, bytes].concat()));
    let place = Place::new(&hub);
    let error = place.pull(A).await.unwrap_err();
    assert!(matches!(error, PullError::Size { expected: 1000, .. } | PullError::Connection { .. }), "{error:?}");
    assert!(place.catalog().local().is_empty());
}

#[tokio::test]
async fn a_cut_connection_goes_on_where_it_was_cut() {
    let (hub, bytes, etag) = hub_with(300_000, |request, nth, bytes, etag| match nth {
        0 => Reply::file(request, bytes, etag).cut(100_000),
        _ => Reply::file(request, bytes, etag),
    });
    let place = Place::new(&hub);
    let (result, reports) = pull_watched(&place.catalog(), A).await;
    assert_eq!(fs::read(result.unwrap()).unwrap(), bytes);
    let requests = hub.requests("GET", "a.gguf");
    assert_eq!(requests.iter().map(|r| r.range()).collect::<Vec<_>>(), [None, Some((100_000, None))]);
    assert_eq!(requests[1].header("if-range"), Some(format!("\"{etag}\"").as_str()));
    assert!(reports.windows(2).all(|pair| pair[0].bytes_done <= pair[1].bytes_done), "{reports:?}");
}

#[tokio::test]
async fn a_killed_process_is_continued_by_the_next() {
    let (hub, bytes, etag) = hub_with(300_000, |request, _, bytes, etag| Reply::file(request, bytes, etag));
    let place = Place::new(&hub);
    place.leave_partial(&etag, &bytes[..123_456]);
    let (result, reports) = pull_watched(&place.catalog(), A).await;
    assert_eq!(fs::read(result.unwrap()).unwrap(), bytes);
    assert_eq!(hub.requests("GET", "a.gguf")[0].range(), Some((123_456, None)));
    assert_eq!(reports.last().map(|p| (p.stage, p.resumed_from)), Some((Stage::Done, 123_456)));
    assert_eq!(place.blobs(), [etag]);
}

#[tokio::test]
async fn a_complete_but_unnamed_file_is_only_verified() {
    let (hub, bytes, etag) = hub_with(1000, |_, _, _, _| Reply::new(500, ""));
    let place = Place::new(&hub);
    place.leave_partial(&etag, &bytes);
    assert_eq!(place.pull(A).await.unwrap(), bytes);
    assert_eq!(hub.count("GET", "a.gguf"), 0);
}

#[tokio::test]
async fn damaged_leftovers_are_noticed_and_fetched_anew() {
    for leftover in [vec![7; 200_000], vec![7; 300_000], vec![7; 400_000]] {
        let (hub, bytes, etag) = hub_with(300_000, |request, _, bytes, etag| Reply::file(request, bytes, etag));
        let place = Place::new(&hub);
        place.leave_partial(&etag, &leftover);
        assert_eq!(place.pull(A).await.unwrap(), bytes, "after {} wrong bytes", leftover.len());
    }
}

#[tokio::test]
async fn a_server_that_ignores_ranges_is_read_from_the_start() {
    let (hub, bytes, etag) = hub_with(300_000, |_, _, bytes, _| Reply::new(200, bytes));
    let place = Place::new(&hub);
    place.leave_partial(&etag, &bytes[..100_000]);
    assert_eq!(place.pull(A).await.unwrap(), bytes);
    assert_eq!(hub.count("GET", "a.gguf"), 1);
}

#[tokio::test]
async fn a_range_that_is_refused_or_wrong_is_asked_for_anew() {
    let wrong = |request: &crate::support::hub::Request, bytes: &[u8], etag: &str, reply: Reply| match request.range() {
        Some(_) => reply.header("etag", format!("\"{etag}\"")),
        None => Reply::file(request, bytes, etag),
    };
    for case in 0..2 {
        let (hub, bytes, etag) = hub_with(300_000, move |request, _, bytes, etag| {
            let shifted = Reply::new(206, &bytes[..200_000]).header("content-range", "bytes 0-199999/300000");
            wrong(request, bytes, etag, if case == 0 { Reply::new(416, "") } else { shifted })
        });
        let place = Place::new(&hub);
        place.leave_partial(&etag, &bytes[..100_000]);
        assert_eq!(place.pull(A).await.unwrap(), bytes);
    }
}

#[tokio::test]
async fn a_wrong_checksum_removes_the_file_and_names_both() {
    let (hub, _, etag) = hub_with(1000, |_, _, bytes, _| Reply::new(200, vec![0; bytes.len()]));
    let place = Place::new(&hub);
    let error = place.pull(A).await.unwrap_err();
    let zeros = sha256(&[0; 1000]);
    assert!(
        matches!(&error, PullError::Checksum { got, expected, .. } if *got == zeros && *expected == etag),
        "{error:?}"
    );
    assert!(place.blobs().is_empty());
}

#[tokio::test]
async fn small_files_are_checked_by_gits_hash() {
    let hub = FakeHub::start();
    // git hash-object of "hello\n"
    let etag = "ce013625030ba8dba906f756967f9e9ca394464a";
    for (file, content) in [("good.json", "hello\n"), ("bad.json", "hullo\n")] {
        hub.describe(file, etag, 6);
        hub.on("GET", &at(COMMIT, file), move |_, _| Reply::new(200, content));
    }
    let place = Place::new(&hub);
    let error = place.pull("org/name:bad.json").await.unwrap_err();
    assert!(matches!(error, PullError::Checksum { algorithm: "git blob sha1", .. }), "{error:?}");
    assert_eq!(place.pull("org/name:good.json").await.unwrap(), b"hello\n");
}

#[tokio::test]
async fn nothing_the_hub_names_is_written_outside_the_cache() {
    for (etag, commit) in [("../../../../escaped", COMMIT), ("abc", "../../../escaped"), ("a/b", COMMIT), ("", COMMIT)]
    {
        let hub = FakeHub::start();
        hub.on("HEAD", &at("main", "a.gguf"), move |_, _| {
            Reply::new(200, "")
                .header("etag", format!("\"{etag}\""))
                .header("x-repo-commit", commit)
                .header("x-linked-size", 4)
        });
        hub.on("GET", &at(COMMIT, "a.gguf"), |_, _| Reply::new(200, "evil"));
        let place = Place::new(&hub);
        let error = place.pull(A).await.unwrap_err();
        assert!(matches!(error, PullError::Unsafe { .. }), "{error:?}");
        assert_eq!(fs::read_dir(place.dir.path()).unwrap().count(), 0, "{etag} {commit}");
    }
}

#[tokio::test]
async fn a_file_replaced_during_the_download_is_fetched_in_its_new_form() {
    let (hub, old, new) = (FakeHub::start(), body(1000), vec![9; 2000]);
    hub.put("a.gguf", &new);
    let (before, after) = (sha256(&old), sha256(&new));
    hub.on("HEAD", &at("main", "a.gguf"), move |_, nth| {
        Reply::new(200, "").described(if nth == 0 { &before } else { &after }, if nth == 0 { 1000 } else { 2000 })
    });
    let place = Place::new(&hub);
    assert_eq!(place.pull(A).await.unwrap(), new);

    // One that changes every time is given up.
    hub.on("HEAD", &at("main", "a.gguf"), |_, nth| Reply::new(200, "").described(&format!("e{nth}"), 2000));
    fs::remove_dir_all(place.repo()).unwrap();
    let error = place.pull(A).await.unwrap_err();
    assert!(matches!(error, PullError::Changed { .. }), "{error:?}");
    assert!(place.blobs().is_empty());
}

#[tokio::test]
async fn bytes_of_an_older_file_are_not_continued() {
    // The ETag is no hash, as a mirror's may be: only If-Range tells that the file behind it was replaced.
    let (hub, new) = (FakeHub::start(), vec![9; 2000]);
    hub.describe("a.gguf", "v2", 2000);
    let served = new.clone();
    hub.on("GET", &at(COMMIT, "a.gguf"), move |request, _| Reply::file(request, &served, "v2"));
    let place = Place::new(&hub);
    place.leave_partial("v1", &body(500));
    assert_eq!(place.pull(A).await.unwrap(), new);
    assert_eq!(hub.requests("GET", "a.gguf")[0].range(), None);
}

#[tokio::test]
async fn a_stalled_transfer_is_dropped_and_resumed() {
    let gate = Arc::<Gate>::default();
    let held = Arc::clone(&gate);
    let (hub, bytes, _) = hub_with(300_000, move |request, nth, bytes, etag| match nth {
        0 => Reply::file(request, bytes, etag).hold(100_000, &held),
        _ => Reply::file(request, bytes, etag),
    });
    let mut place = Place::new(&hub);
    place.settings.idle_timeout = Duration::from_millis(300);
    assert_eq!(place.pull(A).await.unwrap(), bytes);
    assert_eq!(hub.requests("GET", "a.gguf").last().unwrap().range(), Some((100_000, None)));
    gate.open();
}

#[tokio::test]
async fn a_hub_that_says_nothing_is_a_timeout() {
    let (hub, gate) = (FakeHub::start(), Arc::<Gate>::default());
    let held = Arc::clone(&gate);
    hub.on("HEAD", &at("main", "a.gguf"), |_, _| Reply::new(200, "").described("e", 10));
    hub.on("GET", &at(COMMIT, "a.gguf"), move |_, _| Reply::new(200, body(10)).hold(0, &held));
    let mut place = Place::new(&hub);
    place.settings.idle_timeout = Duration::from_millis(50);
    let error = place.pull(A).await.unwrap_err();
    assert!(matches!(error, PullError::Timeout { attempts: 3, .. }), "{error:?}");
    gate.open();
}

#[tokio::test]
async fn a_disk_too_small_is_refused_with_numbers_before_anything_is_fetched() {
    let (hub, bytes, etag) = hub_with(300_000, |request, _, bytes, etag| Reply::file(request, bytes, etag));
    let mut place = Place::new(&hub);
    place.settings.free_space = Arc::new(|_| Some(150_000));
    let error = place.pull(A).await.unwrap_err();
    let expected = matches!(error, PullError::NoSpace { needed: 300_000, free: Some(150_000), .. });
    assert!(expected, "{error:?}");
    assert_eq!(hub.count("GET", "a.gguf"), 0);
    // What is there already need not be written again.
    place.leave_partial(&etag, &bytes[..200_000]);
    assert_eq!(place.pull(A).await.unwrap(), bytes);
}

#[tokio::test]
async fn endless_redirects_end() {
    let hub = FakeHub::start();
    hub.on("HEAD", &at("main", "a.gguf"), |_, _| Reply::new(302, "").header("location", at("main", "a.gguf")));
    let error = Place::new(&hub).pull(A).await.unwrap_err();
    assert!(matches!(error, PullError::Unsafe { what: "redirect", .. }), "{error:?}");
}

#[tokio::test]
async fn a_server_that_is_no_hub_is_recognised() {
    let hub = FakeHub::start();
    hub.on("HEAD", &at("main", "a.gguf"), |_, _| Reply::new(200, "<html>"));
    let error = pull(&Place::new(&hub).catalog(), A).await.unwrap_err();
    assert!(matches!(error, PullError::MissingHeader { header: "X-Repo-Commit", .. }), "{error:?}");
}
