"""What each number means: the requirements that the tests of this folder show, one sentence each.

Numbers that begin with 000 are of conversations with images (a conversation owns an image: its configuration, its messages,
its events), those with 001 of the one adapter that starts and resumes the conversations of tasks, and those with 003 of what is
remembered and stored. Plain numbers are the rules themselves; U are cases that follow from them, E belong to the engine's own
requests. `rows.py` names the tests of each.
"""

from __future__ import annotations

IMAGES = {
    "000-01": "A conversation has exactly one image, which is made with it and shared with no other.",
    "000-02": "A conversation begins with a copy of its domain's configuration.",
    "000-03": "What old rows call `session_id` is `image_id` now.",
    "000-04": "A conversation names its image in the field `imageId`.",
    "000-05": "Data of the old form is migrated.",
    "000-06": "The image's id is stored, an agent's id never.",
    "000-07": "A container's id is `domain_` and more, and it is stored.",
    "000-08": "An image's id is `img_` and more, and it is stored.",
    "000-09": "A session's id is `sess_` and more, and it is stored.",
    "000-10": "An agent's id is `agent_` and more, and lives no longer than the agent.",
    "000-11": "A conversation is made by `image_create_request`, no longer by `image_run_request`.",
    "000-12": "The request names the domain as `containerId`.",
    "000-13": "The conversation's title is the image's `config.name`.",
    "000-14": "The domain's instruction is the image's `config.systemPrompt`.",
    "000-15": "The domain's servers of tools are the image's `config.mcpServers`.",
    "000-16": "The answer has the id in `data.record.imageId`.",
    "000-17": "A message is sent to an image, by `message_send_request`.",
    "000-18": "Messages are read by their image, with `image_messages_request`.",
    "000-19": "A reply is stopped by its image, with `agent_interrupt_request`.",
    "000-20": "Events are told apart by `imageId`, not by the agent.",
    "000-21": "The page shows a conversation the events of its own image only.",
    "000-22": "The page finds its server by the address that it came from.",
    "000-23": "Making a domain makes no image.",
    "000-24": "A domain is a container and nothing more.",
    "000-25": "Each new conversation comes with a new image.",
    "000-26": "A message reaches the image of its own conversation.",
    "000-27": "A history has only this conversation's messages.",
    "000-28": "Several conversations keep their messages apart.",
    "000-29": "A socket hears the events of the images that it asked for.",
    "000-U01": "Image and session belong together from the first moment, and neither ever gets a second partner.",
    "000-U02": "A later change of the domain reaches new conversations only.",
    "000-U03": "A message wakes an agent that is not there, and an interruption finds it by the image.",
    "000-U04": "Every event carries container, image, agent and session; one without an image reaches nobody.",
    "000-U05": "An image id is unique; a conversation is active or archived; ids have their prefixes.",
    "000-U06": "Old agent ids cannot be recovered, image ids are renamed, session ids are looked up.",
    "000-U07": "Without a title a conversation is called `Conversation` and six characters, and described by its domain.",
    "000-U08": "REST has conversations of a domain, one conversation, its title, its messages, its abort and its stream.",
    "000-U09": "Lists have pages of at most 100, 20 unless asked otherwise, with totals, those that moved last first.",
    "000-U10": "To a stranger what is another's is not found, never forbidden.",
    "000-U11": "Deleting a conversation deletes its image, and succeeds whatever the engine says.",
    "000-U12": "A message has 1 to 10,000 characters; the two refusals have codes of their own.",
    "000-U13": "Each error has its code and its status.",
    "000-U14": (
        "The first message gives the title, at most 50 characters, cut at a word where the last space is past 60 percent."
    ),
    "000-U15": "A reply's events come in order: start, deltas, complete; or interrupted, or an error.",
    "000-U16": "A stop keeps what was said and answers GENERATION_ABORTED.",
    "000-U17": "A reply that takes too long ends with GENERATION_TIMEOUT.",
    "000-U18": "Who comes back in the middle of a reply gets the rest of it.",
    "000-U19": "A stream needs a signed-in reader of that conversation; the engine's own requests are behind the same door.",
    "000-U20": "Names of the system's servers of tools are reserved; the list says where each server comes from.",
    "000-U21": "Roles, allowed commands and the limits of retrieval are a domain's configuration and reach the tools.",
    "000-U22": (
        "The conversation and chat services do all that is expected of them: create, list, get, rename, delete, send, history."
    ),
    "000-U23": "A failing engine is told, not shown as an empty history; ids of messages are the log's own.",
    "000-E01": "The engine's requests are all there, each answered with its own request id.",
    "000-E02": "An image has its documented fields, among them its parent, its metadata and the caller's own data.",
    "000-E03": "Events come in four layers: stream, state, message and turn.",
    "000-E04": "Sessions can be forked, resumed and renamed.",
    "000-E05": "A send may choose model, thinking and the provider's options.",
    "000-E06": (
        "Errors have a category and say whether trying again helps; a breaker opens; a message that cannot be stored is not sent."
    ),
    "000-E07": (
        "Agents remember, replies are kept, usage is counted, own data come back, remote is as local, unknown files are refused."
    ),
}

ADAPTER = {
    "001-01": "A run's state follows its conversation's reply also where the reply was asked for over a socket.",
    "001-02": "One adapter owns the life of a reply, however it was asked for.",
    "001-03": "The caller builds message and context; the adapter adds nothing.",
    "001-04": "`startConversation` begins a conversation of a task.",
    "001-05": "`sendMessage` resumes a conversation.",
    "001-06": "The adapter hands the message to the model.",
    "001-07": "Whoever watches a conversation is told what happens in it.",
    "001-08": "The user who is to be notified can be named.",
    "001-09": "The caller's own instruction goes to the model.",
    "001-10": "A conversation can belong to an agent run.",
    "001-11": "An agent is of the type implementation, review or planification.",
    "001-12": "Something happens when a reply begins, with its conversation, task and session.",
    "001-13": "Something happens when a reply ends, and it knows whether it failed.",
    "001-14": "There is one place for what follows from a reply's begin and end.",
    "001-15": "`streaming-started` is told.",
    "001-16": "`streaming-ended` is told.",
    "001-17": "The run of a conversation is updated when its reply ends.",
    "001-18": "A push message says that a reply is complete.",
    "001-19": "It is known which sessions are active.",
    "001-20": "An agent run starts its conversation through the same adapter with all its options.",
    "001-21": "A socket's first message starts a conversation, a later one resumes it.",
    "001-22": "What talks to the model knows nothing of a reply's life.",
    "001-23": "A new conversation can be started from the chat.",
    "001-24": "An old conversation can be resumed.",
    "001-25": "A run of each type can be started.",
    "001-26": "A run is completed when its reply has ended.",
    "001-27": "Subscribers are told the right events.",
    "001-28": "Push messages are sent.",
    "001-U01": "An agent's conversation is a third way in; a conversation has a task or an agent, never both or none.",
    "001-U02": "Options have defaults: permissions, the conversation's id, images, who is told.",
    "001-U03": "Each event of a reply, of a task and of a run is told, and says whether the session is new.",
    "001-U04": "What is not there, not ready or of an unknown type is refused in its own words.",
    "001-U05": "A run is pending, running, completed or failed; only a running one can end, and only once.",
    "001-U06": "A session can be stopped, false for an unknown one; active sessions can be listed.",
    "001-U07": ("Implementation and review take turns until the task's work is complete; planification never goes on by itself."),
    "001-U08": "A task has one running run, a second start is refused with 409; runs that hang are recovered.",
    "001-U09": "A task is in progress from its first conversation or run on.",
    "001-U10": "REST has a task's conversations and runs; a conversation whose first message fails is not left behind.",
    "001-U11": "A socket subscribes to sessions and tasks and is answered; it hears of nothing else.",
    "001-U12": "Agents can run by the clock: the schedule is checked, runs do not overlap, the next time is known.",
    "001-U13": (
        "Who is notified, when, and in which words follows from how the reply ended; the badge counts tasks in progress."
    ),
    "001-U14": "Images in a message leave nothing behind, however the reply ends.",
    "001-U15": (
        "Adapter, runner, sockets, conversations, runs, clock, notifications and sessions behave as the cases of each ask."
    ),
    "001-U16": (
        "No end of a reply leaves a run hanging: a failure before its first word, a stop, a restart, a late "
        "reader, two sends at once."
    ),
}

MEMORIES = {
    "003-38": "Memories: stored, found by meaning, by words and by both, over what was said in conversations.",
    "003-39": "One call remembers a turn, one recalls what fits, one forgets, one erases a user with one receipt.",
    "003-40": "Each layer has tables with indexes, functions, types, an SDK and tests that look at what is stored.",
    "003-U13": "A memory keeps its versions and references through changes, archive and restoring, in its space and to its user.",
    "003-U14": "Facts: the same confirms, another supersedes, the history stays, one of a slot is held at any time.",
    "003-U15": "Remembering is repeated without harm; a stream that breaks off is kept, undone, tried again or remembered.",
    "003-U19": "A count is the length of its list, for every filter, after any creations and deletions.",
}

STORES = {
    "003-36": "Records by type and id keep every version: over functions, REST and the SDK, on both stores.",
    "003-37": "Values by namespace and key keep the newest only: over functions, REST and the SDK, on both stores.",
    "003-U11": "Versions count up without a gap, also of stores at once; history, a moment of it, search, counts and deletions.",
    "003-U12": "Counting is exact and an update loses no change, also at once; a transaction is done as a whole or not at all.",
}

MEANINGS = {**IMAGES, **ADAPTER, **STORES, **MEMORIES}
"""Every number, in order."""
