use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use tempfile::TempDir;
use tern_catalog::{Catalog, CatalogConfig, LocalModel, Origin, Resolution, hub::Settings};

use crate::support::{COMMIT, write};

/// Folders with models in them.
struct Disk(TempDir);

impl Disk {
    fn new(files: &[&str]) -> Self {
        let disk = Self(tempfile::tempdir().unwrap());
        for file in files {
            write(&disk.path(file), b"GGUF");
        }
        disk
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    /// A file of this size that takes no space.
    fn sparse(&self, file: &str, bytes: u64) {
        fs::create_dir_all(self.path(file).parent().unwrap()).unwrap();
        File::create(self.path(file)).unwrap().set_len(bytes).unwrap();
    }

    fn catalog(&self, extra: &[(&str, &str)]) -> Catalog {
        let extra = extra.iter().map(|(id, path)| ((*id).to_owned(), self.path(path))).collect();
        let hub = Settings::new(self.path("hub"));
        Catalog::new(CatalogConfig { models_dir: self.path("models"), hub, extra })
    }

    fn ids(&self) -> Vec<String> {
        self.catalog(&[]).local().into_iter().map(|model| model.id).collect()
    }
}

fn on_disk(resolution: Resolution) -> (LocalModel, Option<String>) {
    match resolution {
        Resolution::Local { model, engine } => (model, engine),
        other => panic!("not on disk: {other:?}"),
    }
}

#[test]
fn files_in_the_models_folder_are_named_after_themselves() {
    let disk = Disk::new(&[
        "models/b.gguf",
        "models/A-Q8_0.gguf",
        "models/sub/c.gguf",
        "models/org/repo/d.gguf",
        "models/too/deep/by/far/e.gguf",
        "models/notes.txt",
        "models/.hidden.gguf",
        "models/mmproj-a.gguf",
        "models/a.mmproj-Q8_0.gguf",
    ]);
    assert_eq!(disk.ids(), ["A-Q8_0", "b", "org/repo/d", "sub/c"]);
    let models = disk.catalog(&[]).local();
    assert_eq!(models[1].aliases, ["b.gguf"]);
    assert_eq!(models[3].aliases, ["c", "c.gguf"]);
    assert_eq!((models[1].bytes, &models[1].origin), (4, &Origin::Folder));
}

#[test]
fn a_name_that_two_files_could_claim_belongs_to_the_first() {
    let disk = Disk::new(&["models/x/m.gguf", "models/y/m.gguf", "models/m.gguf"]);
    assert_eq!(disk.ids(), ["m", "x/m", "y/m"]);
    let (model, _) = on_disk(disk.catalog(&[]).resolve("m"));
    assert_eq!(model.path, disk.path("models/m.gguf"));
}

#[test]
fn a_split_model_is_one_and_an_incomplete_one_none() {
    let part = |base: &str, n: u32| format!("models/{base}-{n:05}-of-00003.gguf");
    let files: Vec<_> = (1..=3).map(|n| part("whole", n)).chain([part("torn", 1), part("torn", 3)]).collect();
    let disk = Disk::new(&files.iter().map(String::as_str).collect::<Vec<_>>());
    let models = disk.catalog(&[]).local();
    assert_eq!(models.len(), 1, "{models:?}");
    assert_eq!((models[0].id.as_str(), models[0].bytes), ("whole", 12));
    assert_eq!(models[0].path, disk.path(&part("whole", 1)));
}

#[test]
fn explicit_models_come_first_and_missing_ones_cost_only_themselves() {
    let disk = Disk::new(&["models/a.gguf", "elsewhere/z.gguf"]);
    let catalog =
        disk.catalog(&[("mine", "elsewhere/z.gguf"), ("gone", "elsewhere/gone.gguf"), ("again", "models/a.gguf")]);
    let models = catalog.local();
    let ids: Vec<_> = models.iter().map(|model| model.id.as_str()).collect();
    assert_eq!(ids, ["mine", "again"]);
    assert_eq!(models[1].aliases, ["a", "a.gguf"], "the same file is one model with several names");
}

#[cfg(unix)]
#[test]
fn links_are_followed_and_loops_end() {
    let disk = Disk::new(&["models/a.gguf", "store/b.gguf"]);
    let link = |to: &Path, at: &str| std::os::unix::fs::symlink(to, disk.path(at)).unwrap();
    link(&disk.path("models"), "models/loop");
    link(&disk.path("store"), "models/store");
    link(&disk.path("models/self.gguf"), "models/self.gguf");
    link(&disk.path("nowhere"), "models/dangling.gguf");
    assert_eq!(disk.ids(), ["a", "store/b"]);
}

#[test]
fn the_shared_cache_is_used_in_place() {
    let other = COMMIT.replace('0', "f");
    let disk = Disk::new(&[
        &format!("hub/models--org--name/snapshots/{COMMIT}/a.gguf"),
        &format!("hub/models--org--name/snapshots/{COMMIT}/sub/b.gguf"),
        &format!("hub/models--org--name/snapshots/{other}/old.gguf"),
        "hub/datasets--org--name/snapshots/x/data.gguf",
    ]);
    write(&disk.path("hub/models--org--name/refs/main"), COMMIT.as_bytes());
    assert_eq!(
        disk.ids(),
        ["org/name:a.gguf".to_owned(), "org/name:sub/b.gguf".into(), format!("org/name@{other}:old.gguf")]
    );
    let (model, _) = on_disk(disk.catalog(&[]).resolve("org/name/sub/b.gguf"));
    assert_eq!(model.id, "org/name:sub/b.gguf");
}

#[test]
fn a_row_of_the_table_that_is_on_disk_has_its_table_name() {
    let disk = Disk::new(&[]);
    let snapshot = format!("hub/models--Qwen--Qwen2.5-0.5B-Instruct-GGUF/snapshots/{COMMIT}");
    disk.sparse(&format!("{snapshot}/qwen2.5-0.5b-instruct-q8_0.gguf"), 10);
    write(&disk.path("hub/models--Qwen--Qwen2.5-0.5B-Instruct-GGUF/refs/main"), COMMIT.as_bytes());
    disk.sparse("models/qwen2.5-0.5b-instruct-q4_k_m.gguf", 491_400_032);
    disk.sparse("models/ggml-model-i2_s.gguf", 12);
    assert_eq!(disk.ids(), ["ggml-model-i2_s", "qwen2.5-0.5b:q4_k_m@llama", "qwen2.5-0.5b:q8_0@llama"]);
    let catalog = disk.catalog(&[]);
    for name in ["qwen2.5-0.5b", "Qwen2.5-0.5B:Q8_0", "qwen2.5-0.5b:q8_0@llama", "qwen2.5-0.5b@llama"] {
        assert_eq!(on_disk(catalog.resolve(name)).0.id, "qwen2.5-0.5b:q8_0@llama", "{name}");
    }
    assert_eq!(on_disk(catalog.resolve("qwen2.5-0.5b-instruct-q4_k_m")).0.id, "qwen2.5-0.5b:q4_k_m@llama");
}

#[test]
fn a_name_may_ask_for_an_engine_but_never_gets_another() {
    let disk = Disk::new(&["models/a.gguf"]);
    disk.sparse("models/qwen2.5-0.5b-instruct-q8_0.gguf", 675_710_816);
    let catalog = disk.catalog(&[]);
    let (model, engine) = on_disk(catalog.resolve("a@bitnet"));
    assert_eq!((model.id.as_str(), engine.as_deref()), ("a", Some("bitnet")));
    assert!(matches!(catalog.resolve("qwen2.5-0.5b:q8_0@bitnet"), Resolution::Unknown { .. }));
}

#[test]
fn names_that_are_not_on_disk_say_what_a_pull_would_fetch() {
    let catalog = Disk::new(&[]).catalog(&[]);
    let Resolution::NotOnDisk { id, file, bytes } = catalog.resolve("gemma3-4b") else { panic!() };
    assert_eq!((id.as_str(), bytes), ("gemma3-4b:q4_k_m@llama", Some(2_489_757_856)));
    assert_eq!(file.to_string(), "ggml-org/gemma-3-4b-it-GGUF:gemma-3-4b-it-Q4_K_M.gguf");
    assert!(matches!(catalog.resolve("org/name:a.gguf"), Resolution::NotOnDisk { bytes: None, .. }));
    let Resolution::Unknown { near } = catalog.resolve("gema3-4b") else { panic!() };
    assert_eq!(near, ["gemma3-4b"]);
}

#[test]
fn deleting_a_model_of_the_folder_takes_all_its_parts_and_nothing_beside_it() {
    let disk =
        Disk::new(&["models/m-00001-of-00002.gguf", "models/m-00002-of-00002.gguf", "models/n.gguf", "own.gguf"]);
    let catalog = disk.catalog(&[("mine", "own.gguf")]);
    let find = |id: &str| catalog.local().into_iter().find(|model| model.id == id).unwrap();
    assert_eq!(tern_catalog::delete(&find("m")).unwrap(), 8);
    let left: Vec<_> = catalog.local().into_iter().map(|model| model.id).collect();
    assert_eq!(left, ["mine", "n"]);
    tern_catalog::delete(&find("mine")).unwrap_err();
    assert!(disk.path("own.gguf").exists());
}

#[cfg(unix)]
#[test]
fn deleting_a_model_of_the_cache_takes_its_bytes_unless_another_name_leads_to_them() {
    use std::os::unix::fs::symlink;
    let disk = Disk::new(&["hub/models--o--n/blobs/one", "hub/models--o--n/blobs/two", "elsewhere.gguf"]);
    let other = "f".repeat(40);
    for (commit, file, blob) in [(COMMIT, "a.gguf", "one"), (COMMIT, "b.gguf", "two"), (&*other, "b.gguf", "two")] {
        let folder = disk.path(&format!("hub/models--o--n/snapshots/{commit}"));
        fs::create_dir_all(&folder).unwrap();
        symlink(format!("../../blobs/{blob}"), folder.join(file)).unwrap();
    }
    write(&disk.path("hub/models--o--n/refs/main"), COMMIT.as_bytes());
    fs::create_dir_all(disk.path("models")).unwrap();
    symlink(disk.path("elsewhere.gguf"), disk.path("models/link.gguf")).unwrap();
    let blob = |name: &str| disk.path(&format!("hub/models--o--n/blobs/{name}")).exists();
    let model = |path: &str, origin: Origin| LocalModel {
        id: String::new(),
        aliases: Vec::new(),
        path: disk.path(path),
        origin,
        bytes: 4,
    };
    let hub = |file: &str| {
        let path = format!("hub/models--o--n/snapshots/{COMMIT}/{file}");
        model(&path, Origin::Hub(tern_catalog::HubFile::new("o/n", "main", file).unwrap()))
    };
    assert_eq!(tern_catalog::delete(&hub("a.gguf")).unwrap(), 4);
    assert!(!blob("one") && blob("two"));
    assert_eq!(tern_catalog::delete(&hub("b.gguf")).unwrap(), 0, "another snapshot has it");
    assert!(blob("two"));
    // A link of a person's own goes; what it leads to stays.
    assert_eq!(tern_catalog::delete(&model("models/link.gguf", Origin::Folder)).unwrap(), 0);
    assert!(disk.path("elsewhere.gguf").exists() && !disk.path("models/link.gguf").exists());
    assert!(tern_catalog::delete(&model("models/link.gguf", Origin::Folder)).is_err());
}

#[test]
fn folders_with_settings_and_weights_are_models() {
    let snapshot = format!("hub/models--org--name/snapshots/{COMMIT}");
    let table = format!("hub/models--dslim--bert-base-NER/snapshots/{COMMIT}");
    let disk = Disk::new(&[
        "models/bert/config.json",
        "models/bert/model.safetensors",
        "models/bert/1_Pooling/config.json",
        "models/bert/inner.gguf",
        "models/bert/pytorch_model.bin",
        "models/bert.gguf",
        "models/org/split/config.json",
        "models/org/split/model.safetensors.index.json",
        "models/half/config.json",
        &format!("{snapshot}/config.json"),
        &format!("{snapshot}/model.safetensors"),
        &format!("{table}/config.json"),
        &format!("{table}/model.safetensors"),
    ]);
    for repo in ["org--name", "dslim--bert-base-NER"] {
        write(&disk.path(&format!("hub/models--{repo}/refs/main")), COMMIT.as_bytes());
    }
    let models = disk.catalog(&[]).local();
    let ids: Vec<_> = models.iter().map(|model| model.id.as_str()).collect();
    // The file `bert.gguf` keeps its name; the folder has it only where no file does.
    assert_eq!(ids, ["bert/inner", "bert", "org/split", "bert-base-ner:f32@candle", "org/name"]);
    std::fs::remove_file(disk.path("models/bert.gguf")).unwrap();
    let bert = on_disk(disk.catalog(&[]).resolve("bert")).0;
    assert_eq!((bert.path.as_path(), bert.bytes), (disk.path("models/bert").as_path(), 12));
    for name in ["bert-base-ner", "dslim/bert-base-NER", "BERT-base-NER:f32"] {
        assert_eq!(on_disk(disk.catalog(&[]).resolve(name)).0.id, "bert-base-ner:f32@candle", "{name}");
    }
    assert_eq!(on_disk(disk.catalog(&[]).resolve("split")).0.id, "org/split");
    // What belongs to the model goes, what does not stays.
    assert_eq!(tern_catalog::delete(&bert).unwrap(), 12);
    let left = ["inner.gguf", "pytorch_model.bin"].map(|name| disk.path("models/bert").join(name).is_file());
    assert_eq!(left, [true; 2]);
    assert!(!disk.path("models/bert/1_Pooling").exists() && !disk.path("models/bert/config.json").exists());
}
