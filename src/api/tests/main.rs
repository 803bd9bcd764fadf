//! The API through its public door: requests in, responses out, on the echo engine and without a network.

mod support; // the app in this process, exchanges, event streams, the description's schemas, a real socket

mod a_http; // clients.md A: errors, headers and paths as clients need them
mod answers; // answers in conversations: streams, joining, stopping, going on, branches, failures
mod anthropic; // clients.md I: messages, their streams, errors in their shape
mod audio; // recordings in forms: five formats, events, what is refused
mod b_streams; // clients.md B: the frames of a stream, to the byte
mod bodies; // request bodies that are no JSON, the wrong JSON, or too much of it
mod c_requests; // clients.md C: shapes of a chat request that must be taken, and those refused by name
mod compare; // models side by side: every event, errors, stopping, joining, files, clients that leave
mod completions; // texts and tokens to continue: prompts, echo, logprobs, scoring, streams of several prompts
mod conversations; // conversations: creating, listing, changing, deleting, searching
mod d_tools; // clients.md D: calls of tools, whole and streamed, and what is refused
mod determinism; // the same seed gives the same answer, whoever runs beside it
mod dialects; // calls of tools, schemas and thinking in the words of Responses, Anthropic and Ollama
mod disks; // a disk that is full, and works again
mod e_answers; // clients.md E: whole answers, the list of models
mod f_embeddings; // clients.md F: vectors, their formats, inputs that are refused
mod failures; // engines that fail or panic, models that cannot be loaded
mod forms; // response_format and its relatives: what comes out, what is refused by its path
mod h_responses; // clients.md H: responses, their events in order, what is taken and what is refused
mod h_stored; // responses that are kept: threads of the page, going on, joining, cancelling, deleting
mod images; // images in messages
mod imports; // files in and out: import, export, attachments
mod keys; // keys: scopes, limits, counting, models of their own
mod keys_in_dialects; // keys as clients of Anthropic, Ollama and Responses meet them
mod loading; // loading on demand, unloading, keep-alive, the memory budget
mod models; // ids, tokens, rendered prompts, health, metrics, catalogue
mod names; // other names of models; parameters that are honoured and ignored
mod ollama; // Ollama's API: lines, models, texts, vectors, downloads
mod openapi; // the description itself, and its examples
mod page; // the page: its views, its headers, and that the API is never mistaken for it
mod parameters; // values out of range, prompts that do not fit, models that cannot do it
mod pictures; // text in images, captions: forms and JSON, images that are none, models that are not there
mod promises; // what holds for every response: error shape, ids, hosts, origins, retry headers
mod tasks; // names in texts, relevance
mod thinking; // effort and budgets of reasoning
mod tls; // TLS: both versions of HTTP, a certificate that is replaced
mod truncation; // dialogues that are shortened; fields that only clients care for
mod vanishing; // clients that go away: queued, in prefill, while decoding; and a queue that is full
