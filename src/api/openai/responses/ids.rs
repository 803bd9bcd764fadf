//! Ids of responses and items. Each has what follows `msg_` in the id of the message that it is, so that a stored one
//! is found without a table of its own.

/// A new message, and with it a response.
pub(crate) fn new_message() -> String {
    crate::ids::new("msg_")
}

/// What an id has behind its prefix.
fn core(id: &str) -> &str {
    id.split_once('_').map_or(id, |(_, core)| core)
}

/// The response that a message is.
pub(crate) fn response_of(message: &str) -> String {
    format!("resp_{}", core(message))
}

/// The message that a response is. An answer of the page may also be named by the id of its message, with `resp_` in
/// front or without.
pub(crate) fn message_of(response: &str) -> String {
    let id = response.strip_prefix("resp_").unwrap_or(response);
    if id.starts_with("msg_") { id.to_owned() } else { format!("msg_{id}") }
}

/// What a message thought.
pub(crate) fn reasoning_of(message: &str) -> String {
    format!("rs_{}", core(message))
}

/// A call of a message.
pub(crate) fn call_of(message: &str, index: usize) -> String {
    format!("fc_{}_{index}", core(message))
}

/// The result of a tool.
pub(crate) fn output_of(message: &str) -> String {
    format!("fco_{}", core(message))
}

/// The message that an item is part of.
pub(crate) fn message_of_item(item: &str) -> String {
    let core = core(item);
    format!("msg_{}", core.split_once('_').map_or(core, |(core, _)| core))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_leads_back_to_its_message() {
        let message = "msg_0123456789abcdef01234567";
        assert_eq!(message_of(&response_of(message)), message);
        assert_eq!((message_of(&format!("resp_{message}")), message_of(message)), (message.into(), message.into()));
        for item in [message.to_owned(), reasoning_of(message), call_of(message, 12), output_of(message)] {
            assert_eq!(message_of_item(&item), message, "{item}");
        }
    }
}
