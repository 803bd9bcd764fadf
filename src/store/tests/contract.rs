use super::support::{assistant, conversation, generating, ids, user};
use crate::{Comparison, ConversationStore, RedbStore, Status, StoreError};

#[test]
fn what_was_written_is_there_when_the_store_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let (one, question) = (conversation("conv_1"), user("msg_1", None, "Why?"));
    {
        let store = RedbStore::open(folder.path()).unwrap();
        store.create(&one, std::slice::from_ref(&question)).unwrap();
        store.put_messages("conv_1", &[assistant("msg_2", "msg_1", "Because.", "m")], Some("msg_2")).unwrap();
        store.put_messages("conv_1", &[generating(assistant("msg_3", "msg_1", "", "m"))], None).unwrap();
        store
            .put_progress(&crate::Message {
                conversation: "conv_1".to_owned(),
                ..generating(assistant("msg_3", "msg_1", "Half an", "m"))
            })
            .unwrap();
        store
            .put_comparison(&Comparison { id: "cmp_1".to_owned(), status: Status::Generating, ..Default::default() })
            .unwrap();
    }
    let store = RedbStore::open(folder.path()).unwrap();
    let found = store.conversation("conv_1").unwrap();
    assert_eq!((found.messages, found.current.as_deref()), (3, Some("msg_2")));
    let messages = store.messages("conv_1").unwrap();
    assert_eq!(ids(&messages), ["msg_1", "msg_2", "msg_3"]);
    assert_eq!((messages[0].content.as_str(), messages[0].conversation.as_str()), ("Why?", "conv_1"));
    assert_eq!((messages[2].content.as_str(), messages[2].status), ("Half an", Status::Interrupted));
    assert_eq!(store.comparison("cmp_1").unwrap().status, Status::Interrupted);
    assert!(matches!(RedbStore::open(folder.path()), Err(StoreError::InUse { .. })));
}
