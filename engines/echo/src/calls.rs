//! How families of models write calls: the same two calls in each form, in pieces that cut marks, characters and escapes.

macro_rules! pieces {
    ($name:ident: $($piece:literal),+ $(,)?) => {
        pub(crate) const $name: &[&[u8]] = &[$($piece),+];
    };
}

// One call of Hermes, which needs nothing else.
pieces!(ONE: b"<tool_call>", b"\n", b"{\"", b"name", b"\":", b" \"", b"get", b"_weather", b"\",", b" \"", b"arguments", b"\":",
    b" {\"", b"city", b"\":", b" \"", b"Zu", b"rich", b"\"}}", b"\n", b"</tool_call>");

// Text before them; the mark in two pieces; a character and an escape that are cut.
pieces!(TWO: b"Let", b" me", b" look", b".", b"\n", b"<tool", b"_call", b">", b"\n", b"{\"", b"name", b"\":", b" \"", b"get", b"_weather",
    b"\",", b" \"", b"arguments", b"\":", b" {\"", b"city", b"\":", b" \"", b"Z", b"\xC3", b"\xBCrich", b"\"}}", b"\n", b"</tool_call>",
    b"\n", b"<tool_call>", b"\n", b"{\"", b"name", b"\":", b" \"", b"get", b"_weather", b"\",", b" \"", b"arguments", b"\":", b" {\"",
    b"city", b"\":", b" \"", b"S\xC3", b"\xA3o", b" \\", b"\"P\\\"", b"\"}}", b"\n", b"</tool_call>");

pieces!(SMOLLM: b"<tool_call>", b"[", b"{\"", b"name", b"\":", b" \"", b"get", b"_weather", b"\",", b" \"", b"arguments", b"\":", b" {\"",
    b"city", b"\":", b" \"", b"Zu", b"rich", b"\"}}", b", ", b"{\"", b"name", b"\":", b" \"", b"get", b"_weather", b"\",", b" \"",
    b"arguments", b"\":", b" {\"", b"city", b"\":", b" \"", b"Oslo", b"\"}}", b"]", b"</tool_call>");

pieces!(LLAMA: b"{\"", b"name", b"\":", b" \"", b"get", b"_weather", b"\",", b" \"", b"parameters", b"\":", b" {\"", b"city", b"\":",
    b" \"", b"Zu", b"rich", b"\"}}", b"; ", b"{\"", b"name", b"\":", b" \"", b"get", b"_weather", b"\",", b" \"", b"parameters",
    b"\":", b" {\"", b"city", b"\":", b" \"", b"Oslo", b"\"}}");

pieces!(LLAMA_MARK: b"<|python_tag|>", b"{\"", b"name", b"\":", b" \"", b"get", b"_weather", b"\",", b" \"", b"parameters", b"\":",
    b" {\"", b"city", b"\":", b" \"", b"Zu", b"rich", b"\"}}");

pieces!(MISTRAL_LIST: b"[TOOL_CALLS]", b"[", b"{\"", b"name", b"\":", b" \"", b"get", b"_weather", b"\",", b" \"", b"arguments", b"\":",
    b" {\"", b"city", b"\":", b" \"", b"Zu", b"rich", b"\"}}", b", ", b"{\"", b"name", b"\":", b" \"", b"get", b"_weather", b"\",",
    b" \"", b"arguments", b"\":", b" {\"", b"city", b"\":", b" \"", b"Oslo", b"\"}}", b"]");

pieces!(MISTRAL: b"[TOOL_CALLS]", b"get", b"_weather", b"[ARGS]", b"{\"", b"city", b"\":", b" \"", b"Zu", b"rich", b"\"}",
    b"[TOOL_CALLS]", b"get", b"_weather", b"[ARGS]", b"{\"", b"city", b"\":", b" \"", b"Oslo", b"\"}");

pieces!(DEEPSEEK: b"<\xEF\xBD\x9Ctool\xE2\x96\x81calls\xE2\x96\x81begin\xEF\xBD\x9C>",
    b"<\xEF\xBD\x9Ctool\xE2\x96\x81call\xE2\x96\x81begin\xEF\xBD\x9C>", b"function",
    b"<\xEF\xBD\x9Ctool\xE2\x96\x81sep\xEF\xBD\x9C>", b"get", b"_weather", b"\n", b"```json", b"\n", b"{\"", b"city", b"\":", b" \"",
    b"Zu", b"rich", b"\"}", b"\n", b"```", b"<\xEF\xBD\x9Ctool\xE2\x96\x81call\xE2\x96\x81end\xEF\xBD\x9C>", b"\n",
    b"<\xEF\xBD\x9Ctool\xE2\x96\x81call\xE2\x96\x81begin\xEF\xBD\x9C>", b"function",
    b"<\xEF\xBD\x9Ctool\xE2\x96\x81sep\xEF\xBD\x9C>", b"get", b"_weather", b"\n", b"```json", b"\n", b"{\"", b"city", b"\":", b" \"",
    b"Oslo", b"\"}", b"\n", b"```", b"<\xEF\xBD\x9Ctool\xE2\x96\x81call\xE2\x96\x81end\xEF\xBD\x9C>",
    b"<\xEF\xBD\x9Ctool\xE2\x96\x81calls\xE2\x96\x81end\xEF\xBD\x9C>");

pieces!(CODER: b"<tool_call>", b"\n", b"<function=", b"get", b"_weather", b">", b"\n", b"<parameter=", b"city", b">", b"\n", b"Zu", b"rich",
    b"\n", b"</parameter>", b"\n", b"</function>", b"\n", b"</tool_call>", b"\n", b"<tool_call>", b"\n", b"<function=", b"get",
    b"_weather", b">", b"\n", b"<parameter=", b"city", b">", b"\n", b"Oslo", b"\n", b"</parameter>", b"\n", b"</function>", b"\n",
    b"</tool_call>");

pieces!(THOUGHT: b"<think>", b"\n", b"I", b" call", b" <tool_call>", b" for", b" that", b".", b"\n", b"</think>", b"\n", b"\n",
    b"<tool_call>", b"\n", b"{\"", b"name", b"\":", b" \"", b"get", b"_weather", b"\",", b" \"", b"arguments", b"\":", b" {\"", b"city",
    b"\":", b" \"", b"Zu", b"rich", b"\"}}", b"\n", b"</tool_call>");

pieces!(ANSWER: b"The", b" weather", b" in", b" Zu", b"rich", b" is", b" sunny", b".");

/// Opens reasoning.
pub(crate) const THINK: &[u8] = b"<think>";
/// Closes it.
pub(crate) const THINK_END: &[u8] = b"</think>";

pieces!(THOUGHT_OVER: b"\n", b"\n", b"The", b" answer", b" is", b" 4", b".");

/// Templates, by how they write calls.
pub(crate) mod templates {
    pub(crate) const HERMES: &str = include_str!("templates/hermes.jinja");
    pub(crate) const SMOLLM: &str = include_str!("templates/smollm.jinja");
    pub(crate) const LLAMA: &str = include_str!("templates/llama.jinja");
    pub(crate) const MISTRAL_LIST: &str = include_str!("templates/mistral_list.jinja");
    pub(crate) const MISTRAL: &str = include_str!("templates/mistral.jinja");
    pub(crate) const DEEPSEEK: &str = include_str!("templates/deepseek.jinja");
    pub(crate) const CODER: &str = include_str!("templates/coder.jinja");
    /// Knows no tools.
    pub(crate) const PLAIN: &str = include_str!("templates/plain.jinja");
    /// Thinks unless it is told not to.
    pub(crate) const THINKING: &str = include_str!("templates/thinking.jinja");
    /// Opens the reasoning itself, always.
    pub(crate) const ALWAYS_THINKING: &str = include_str!("templates/always_thinking.jinja");
}
