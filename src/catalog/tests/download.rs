use std::{fs, sync::Arc};

use tern_catalog::{Cancel, HubFile, Origin, PullError, Reference, Stage, hub::Token};

use crate::support::{COMMIT, FakeHub, Gate, Place, Reply, body, hub::at, pull, pull_watched, sha256, write};

#[tokio::test]
async fn a_pull_puts_the_file_where_huggingface_hub_looks_for_it() {
    let (hub, bytes) = (FakeHub::start(), body(700_000));
    let etag = hub.put("sub/a.gguf", &bytes);
    let place = Place::new(&hub);
    let path = pull(&place.catalog(), "org/name:sub/a.gguf").await.unwrap();
    assert_eq!(path, place.repo().join(format!("snapshots/{COMMIT}/sub/a.gguf")));
    assert_eq!(fs::read(&path).unwrap(), bytes);
    assert_eq!(fs::read_link(&path).unwrap().to_str().unwrap(), format!("../../../blobs/{etag}"));
    assert_eq!(fs::read_to_string(place.repo().join("refs/main")).unwrap(), COMMIT);
    assert_eq!(place.blobs(), std::slice::from_ref(&etag));
    assert!(place.settings.cache_dir.join(format!(".locks/models--org--name/{etag}.lock")).exists());
}

#[tokio::test]
async fn a_file_that_is_there_is_not_fetched_again() {
    let (hub, bytes) = (FakeHub::start(), body(10_000));
    hub.put("a.gguf", &bytes);
    let place = Place::new(&hub);
    for _ in 0..3 {
        assert_eq!(place.pull("org/name:a.gguf").await.unwrap(), bytes);
    }
    assert_eq!((hub.count("HEAD", "a.gguf"), hub.count("GET", "a.gguf")), (3, 1));
    // A commit cannot change: not even a question is needed.
    assert_eq!(place.pull(&format!("org/name@{COMMIT}:a.gguf")).await.unwrap(), bytes);
    assert_eq!(hub.log().len(), 4);
}

#[tokio::test]
async fn progress_goes_from_checking_to_done_and_never_back() {
    let (hub, bytes) = (FakeHub::start(), body(3_000_000));
    hub.put("a.gguf", &bytes);
    let (result, reports) = pull_watched(&Place::new(&hub).catalog(), "org/name:a.gguf").await;
    result.unwrap();
    let stages: Vec<_> = reports.iter().map(|p| p.stage).collect();
    assert_eq!((stages[0], *stages.last().unwrap()), (Stage::Checking, Stage::Done));
    assert!(stages.contains(&Stage::Verifying));
    assert!(reports.windows(2).all(|pair| pair[0].bytes_done <= pair[1].bytes_done), "{reports:?}");
    let last = reports.last().unwrap();
    assert_eq!((last.bytes_done, last.bytes_total, last.resumed_from), (3_000_000, 3_000_000, 0));
}

#[tokio::test]
async fn all_parts_of_a_split_model_are_fetched() {
    let hub = FakeHub::start();
    let parts: Vec<_> = (1..=3).map(|n| (format!("m-{n:05}-of-00003.gguf"), body(100_000 * n))).collect();
    for (name, bytes) in &parts {
        hub.put(name, bytes);
    }
    let place = Place::new(&hub);
    let catalog = place.catalog();
    let (path, reports) = pull_watched(&catalog, "org/name:m-00002-of-00003.gguf").await;
    let path = path.unwrap();
    assert_eq!(path.file_name().unwrap().to_str().unwrap(), parts[0].0, "the first part stands for all");
    for (name, bytes) in &parts {
        assert_eq!(&fs::read(path.with_file_name(name)).unwrap(), bytes);
    }
    assert_eq!(reports.iter().filter(|p| p.stage == Stage::Done).count(), 1);
    assert_eq!(reports.last().unwrap().bytes_done, 600_000);
    let info = catalog.remote_info(&"org/name:m-00001-of-00003.gguf".parse().unwrap()).await.unwrap();
    assert_eq!((info.bytes, info.parts.len()), (600_000, 3));
    let local = catalog.local();
    assert_eq!((local.len(), local[0].bytes), (1, 600_000), "listed as one model");
}

#[tokio::test]
async fn the_token_goes_to_the_hub_and_not_to_the_storage_it_redirects_to() {
    let (hub, storage, bytes) = (FakeHub::start(), FakeHub::start(), body(300_000));
    let etag = sha256(&bytes);
    for (method, revision) in [("HEAD", "main"), ("GET", COMMIT)] {
        let (etag, to, size) = (etag.clone(), format!("{}/stored?signature=s", storage.url()), bytes.len());
        hub.on(method, &at(revision, "a.gguf"), move |_, _| {
            let reply = Reply::new(302, "").header("location", &to).header("x-repo-commit", COMMIT);
            reply.header("x-linked-etag", format!("\"{etag}\"")).header("x-linked-size", size)
        });
    }
    let served = bytes.clone();
    // A storage knows the file by an ETag of its own.
    storage.on("GET", "/stored", move |request, _| Reply::file(request, &served, "0xs3"));
    let mut place = Place::new(&hub);
    place.settings.token = Token::new("hf_secret");
    place.leave_partial(&etag, &bytes[..100_000]);
    assert_eq!(place.pull("org/name:a.gguf").await.unwrap(), bytes);
    assert!(hub.log().iter().all(|request| request.header("authorization") == Some("Bearer hf_secret")));
    let stored = storage.log();
    assert_eq!(stored.len(), 1, "the storage is not asked before the bytes are wanted");
    assert_eq!(stored[0].header("authorization"), None);
    assert_eq!(stored[0].range(), Some((100_000, None)), "resumed there too, although its ETag is another");
}

#[tokio::test]
async fn a_renamed_repository_is_followed_on_the_same_host() {
    let (hub, bytes) = (FakeHub::start(), body(1000));
    hub.put("a.gguf", &bytes);
    for (method, revision) in [("HEAD", "main"), ("GET", COMMIT)] {
        let to = at(revision, "a.gguf");
        hub.on(method, &to.replace("name", "old"), move |_, _| Reply::new(307, "").header("location", &to));
    }
    assert_eq!(Place::new(&hub).pull("org/old:a.gguf").await.unwrap(), bytes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_pulls_of_one_file_transfer_it_once_and_both_see_it_grow() {
    let (hub, bytes, gate) = (FakeHub::start(), body(1_000_000), Arc::<Gate>::default());
    let etag = hub.put("a.gguf", &bytes);
    let (served, held) = (bytes.clone(), Arc::clone(&gate));
    hub.on("GET", &at(COMMIT, "a.gguf"), move |request, _| Reply::file(request, &served, &etag).hold(500_000, &held));
    let place = Place::new(&hub);
    let catalog = place.catalog();
    let start = || {
        let catalog = catalog.clone();
        tokio::spawn(async move { pull_watched(&catalog, "org/name:a.gguf").await })
    };
    let (first, second) = (start(), start());
    tokio::task::block_in_place(|| hub.wait_until(|log| log.len() == 3)); // two descriptions, one transfer
    gate.open();
    for task in [first, second] {
        let (result, reports) = task.await.unwrap();
        assert_eq!(fs::read(result.unwrap()).unwrap(), bytes);
        assert_eq!(reports.last().map(|p| (p.stage, p.bytes_done)), Some((Stage::Done, 1_000_000)));
    }
    assert_eq!(hub.count("GET", "a.gguf"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_program_that_fetches_the_same_file_is_waited_for() {
    let (hub, bytes) = (FakeHub::start(), body(10_000));
    let etag = hub.put("a.gguf", &bytes);
    let place = Place::new(&hub);
    let lock = place.settings.cache_dir.join(format!(".locks/models--org--name/{etag}.lock"));
    write(&lock, b"");
    let theirs = fs::File::open(&lock).unwrap();
    theirs.lock().unwrap();
    let catalog = place.catalog();
    let ours = tokio::spawn(async move { pull(&catalog, "org/name:a.gguf").await });
    tokio::task::block_in_place(|| hub.wait_until(|log| log.len() == 1));
    write(&place.repo().join("blobs").join(&etag), &bytes);
    drop(theirs);
    assert_eq!(fs::read(ours.await.unwrap().unwrap()).unwrap(), bytes);
    assert_eq!(hub.count("GET", "a.gguf"), 0, "their work is used");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_pull_stops_at_once_and_the_next_goes_on_from_there() {
    let (hub, bytes, gate) = (FakeHub::start(), body(1_000_000), Arc::<Gate>::default());
    let etag = hub.put("a.gguf", &bytes);
    let (served, held) = (bytes.clone(), Arc::clone(&gate));
    hub.on("GET", &at(COMMIT, "a.gguf"), move |request, nth| match nth {
        0 => Reply::file(request, &served, &etag).hold(600_000, &held),
        _ => Reply::file(request, &served, &etag),
    });
    let place = Place::new(&hub);
    let (catalog, cancel) = (place.catalog(), Cancel::default());
    let reference: Reference = "org/name:a.gguf".parse().unwrap();
    let stop = cancel.clone();
    let on = move |progress: &tern_catalog::Progress| {
        if progress.bytes_done >= 500_000 {
            stop.cancel();
        }
    };
    let result = catalog.pull(&reference, &on, &cancel).await;
    assert!(matches!(result, Err(PullError::Cancelled)), "{result:?}");
    gate.open();
    assert_eq!(fs::read(pull(&catalog, "org/name:a.gguf").await.unwrap()).unwrap(), bytes);
    let second = &hub.requests("GET", "a.gguf")[1];
    assert!(second.range().is_some_and(|(first, _)| first >= 500_000), "{second:?}");
}

#[tokio::test]
async fn offline_sends_nothing_and_uses_what_is_there() {
    let (hub, bytes) = (FakeHub::start(), body(1000));
    hub.put("a.gguf", &bytes);
    let mut place = Place::new(&hub);
    place.pull("org/name:a.gguf").await.unwrap();
    let asked = hub.log().len();
    place.settings.offline = true;
    assert_eq!(place.pull("org/name:a.gguf").await.unwrap(), bytes);
    let error = place.pull("org/name:b.gguf").await.unwrap_err();
    assert!(matches!(error, PullError::Offline { .. }));
    assert!(error.to_string().contains("HF_HUB_OFFLINE"), "{error}");
    assert_eq!(hub.log().len(), asked);
}

#[tokio::test]
async fn a_hub_that_cannot_be_reached_does_not_take_away_what_is_there() {
    let (hub, bytes) = (FakeHub::start(), body(1000));
    hub.put("a.gguf", &bytes);
    let mut place = Place::new(&hub);
    place.pull("org/name:a.gguf").await.unwrap();
    // Port 9 on loopback: nobody listens.
    place.settings.endpoint = "http://127.0.0.1:9".parse().unwrap();
    assert_eq!(place.pull("org/name:a.gguf").await.unwrap(), bytes);
    let error = place.pull("org/name:b.gguf").await.unwrap_err();
    assert!(matches!(error, PullError::Connection { attempts: 3, .. }), "{error:?}");
}

#[tokio::test]
async fn what_was_pulled_is_listed_under_its_name_on_the_hub() {
    let hub = FakeHub::start();
    hub.put("a.gguf", &body(1000));
    let place = Place::new(&hub);
    let path = pull(&place.catalog(), "org/name:a.gguf").await.unwrap();
    let local = place.catalog().local();
    assert_eq!(local.len(), 1);
    assert_eq!((local[0].id.as_str(), &local[0].path, local[0].bytes), ("org/name:a.gguf", &path, 1000));
    assert_eq!(local[0].origin, Origin::Hub(HubFile::new("org/name", "main", "a.gguf").unwrap()));
}

#[tokio::test]
async fn addresses_are_encoded() {
    let (hub, bytes) = (FakeHub::start(), body(10));
    let etag = sha256(&bytes);
    let revision = "refs%2Fpr%2F1";
    hub.on("HEAD", &at(revision, "a%20b%231.gguf"), move |_, _| Reply::new(200, "").described(&etag, 10));
    hub.on("GET", &at(COMMIT, "a%20b%231.gguf"), move |request, _| Reply::file(request, &body(10), &sha256(&body(10))));
    let place = Place::new(&hub);
    assert_eq!(place.pull("org/name@refs/pr/1:a b#1.gguf").await.unwrap(), bytes);
    assert_eq!(fs::read_to_string(place.repo().join("refs/refs/pr/1")).unwrap(), COMMIT);
    assert_eq!(place.catalog().local()[0].id, "org/name@refs/pr/1:a b#1.gguf");
}
