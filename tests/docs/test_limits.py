"""The numbers of docs/limits.md are those of the code."""

from __future__ import annotations

import re
from typing import get_args

import pytest

from chalicelib import words
from chalicelib.data import entries, gate, nearest, paging, searching, side_index, snapshot, store, transaction
from chalicelib.domain import answer_size, budget, depth, domains, members, notifications
from chalicelib.domain.agent_runs import ending
from chalicelib.domain.conversations import codes, history, listing, search, views
from chalicelib.domain.feeds import sizes
from chalicelib.domain.feeds import socket as feed
from chalicelib.domain.images import forking, mcp
from chalicelib.domain.memories import codes as memory_codes
from chalicelib.domain.memories import listing as memory_listing
from chalicelib.domain.memories import searching as memory_searching
from chalicelib.domain.memories import versions
from chalicelib.domain.memory import facts, recalling, remembering
from chalicelib.domain.replies import lifecycle, options, request, sessions, tool_use
from chalicelib.domain.rooms import sending, sockets
from chalicelib.embedders import vectors
from chalicelib.live import messages, viewers
from chalicelib.live.owner import hearing, owner, socket
from chalicelib.llm import mcp as tool_servers
from chalicelib.push import sender
from chalicelib.schema import DIMENSIONS
from chalicelib.settings import Settings
from infra.local.aws.api_gateway import Walls
from tests.docs.pages import ROOT

TABLE = re.compile(r"^\| (.+?) \| (.+?) \| .+ \|$", re.MULTILINE)
ROWS = dict(TABLE.findall((ROOT / "docs" / "limits.md").read_text()))
KB = 1024
MACHINE = Walls.machine()

MB = KB * KB

IN_CODE: dict[str, tuple[float, ...]] = {
    "on one machine, with `GATEWAY_LIMITS=off`: a message from a client over WebSocket; to a client; what one may leave unread": (
        MACHINE.message_bytes / MB,
        MACHINE.post_bytes / MB,
        MACHINE.outbound_bytes / MB,
        MACHINE.ping_s or 0,
    ),
    "with `LIVE=owner`: what one socket may have waiting to be run; what its reader may be behind before it gets no more until "
    "it has caught up, and before the socket is closed": (
        hearing.WAITING_CHARS / MB,
        socket.SLOW_BYTES / KB,
        owner.BUFFERED_BYTES / MB,
    ),
    "with `LIVE=owner`: an answer, or a new query, waits for a query that cannot be evaluated": (owner.HELD_MS / 1000,),
    "viewers that the writer of a reply keeps, to tell them each piece itself": (viewers.HELD, viewers.HOLD_MS / 1000),
    "a message to a client, so a query's value": (messages.LARGEST_POST / KB,),
    "a document": (store.MAX_ITEM_BYTES / KB, gate.NESTING),
    "one mutation": (store.MAX_ACTIONS,),
    "one run of a query": (transaction.LARGEST_READ, snapshot.LARGEST_SNAPSHOT, 100),  # what one TransactGetItems takes
    "a search: documents it finds by words, by vectors; words of its query; fields that it may be filtered by": (
        searching.MOST_HITS,
        nearest.MOST_NEIGHBOURS,
        side_index.MOST_WORDS,
        side_index.MOST_FILTERS,
    ),
    "a word that an index keeps; different words of one document; blocks that are read for the beginning of a word": (
        words.LONGEST_WORD,
        side_index.MOST_TERMS,
        searching.MOST_BLOCKS,
    ),
    "a vector": side_index.DIMENSIONS,
    "the id of a document with a search or a vector": (entries.LONGEST_ID,),
    "a text that is embedded": (vectors.MOST_CHARACTERS,),
    "a page": (paging.LARGEST_PAGE, paging.FILL_BYTES / KB, paging.LARGEST_BYTES / KB),
    "sends that wait behind a running reply": (lifecycle.QUEUED_RUNS,),
    "a message where the model or a worker answers; images with it": (
        request.LONGEST_MESSAGE,
        get_args(get_args(options.Images)[0])[1].max_length,  # of its annotation
        options.LARGEST_IMAGES,
    ),
    "a reply's stored text": (lifecycle.LARGEST_TEXT / 1000,),
    "chunks in one answer of `chat:subscribeToChunks`": (
        sessions.CHUNK_PAGE,
        sessions.LARGEST_CHUNK_PAGE,
        answer_size.LIST_BYTES / KB,
    ),
    "messages in one answer of `chat:getMessages`": (
        sessions.MESSAGE_PAGE,
        sessions.LARGEST_MESSAGE_PAGE,
        answer_size.LIST_BYTES / KB,
    ),
    "a message, an image or a domain in an answer": (answer_size.ONE_BYTES / KB, answer_size.PART_CHARS),
    "a tool of which somebody is asked first: tools of all servers, and their bytes; calls of one turn, turns of one reply": (
        tool_servers.MOST_TOOLS,
        tool_servers.LARGEST_TOOLS,
        tool_use.MOST_CALLS,
        tool_use.MOST_TURNS,
    ),
    "such a server: its list; a call; an answer": (tool_servers.LIST_S, tool_servers.CALL_S, tool_servers.LARGEST_ANSWER),
    "how far a reply has come that waits for a decision": (tool_use.LARGEST_KEPT,),
    "servers of tools of a domain or an image": (mcp.MOST, mcp.LARGEST / KB),
    "lists of sessions, images, domains, tasks, schedules": (answer_size.LIST_BYTES / KB,),
    "tokens of an org a day": (budget.LEAST_HELD,),
    "replies of a user that have not ended; sessions, tasks, schedules, domains of one": (
        Settings.replies_per_user,
        Settings.sessions_per_user,
        Settings.tasks_per_user,
        Settings.schedules_per_user,
        domains.LISTED,
    ),
    "a fork's past; agent runs that follow one another by themselves": (forking.LONGEST, ending.MOST_ROUNDS),
    "browsers in which a user is notified; a push message": (notifications.MOST_BROWSERS, sender.LARGEST),
    "a message of a conversation, its metadata; agents in one": (
        codes.LONGEST_CONTENT / KB,
        codes.LARGEST_METADATA / KB,
        depth.DEEPEST,
        codes.MOST_AGENTS,
    ),
    "`messages` of `conversations:get`, and of `addMessage` with `tail`": (views.SHOWN_BYTES / KB,),
    "`messages` of `conversations:addMessage` without `tail`": (views.TAIL_BYTES,),
    "an answer of `conversations:*`": (answer_size.ANSWER_BYTES / KB,),
    "`conversations:getHistory` by roles": (history.SEARCHED,),
    "a message where no model answers; what comes with it": (
        sending.LONGEST_TEXT,
        sending.LARGEST_EXTRA / 1000,
        depth.DEEPEST,
        sending.LARGEST_MESSAGE / 1000,
    ),
    "a page of messages, rooms or agents": (answer_size.ANSWER_BYTES / KB,),
    "`conversations:list` by filters without an index": (listing.LOOKED_AT,),
    "a memory's text; its metadata; tags of one, each; messages that it refers to": (
        codes.LONGEST_CONTENT / KB,
        codes.LARGEST_METADATA / KB,
        memory_codes.MOST_TAGS,
        memory_codes.LONGEST_TAG,
        memory_codes.MOST_MESSAGES,
    ),
    "a memory's vector": (DIMENSIONS,),
    "an answer of `memories:*`; memories of one `list`; that are looked at by `agentId`, `participantId`, `sourceType`, `tags` "
    "or `minImportance`": (answer_size.ANSWER_BYTES / KB, memory_listing.MOST_READ, memory_listing.LOOKED_AT),
    "the query of `memories:search`, `memory:recall`, `immutable:search`; characters of any search's query in which words are "
    "looked for": (codes.LONGEST_CONTENT / 1024, side_index.LONGEST_QUERY),
    "memories that a search compares by tags and importance: by words, by meaning": (
        memory_searching.MOST_BY_WORDS,
        memory_searching.MOST_BY_MEANING,
    ),
    "versions that `getHistory` and `getAtTimestamp` look at": (versions.LOOKED_AT,),
    "a fact; facts of one turn, of one memory": (facts.LONGEST_FACT, remembering.MOST_FACTS, facts.MOST_FACTS),
    "`context` of `memory:recall`; a message in its answer": (recalling.MOST_CONTEXT, recalling.MESSAGE_BYTES / KB),
    "`conversations:search` among a user's own conversations": (search.LEAST_HITS, search.MOST_HITS),
    "`conversations:search` elsewhere, and in metadata": (search.CONVERSATIONS, search.MESSAGES, search.BYTES / 1_000_000),
    "agents of a user; open chat sockets of a user or an agent; conversations of an agent without a user": (
        Settings.agents_per_user,
        Settings.sockets_per_user,
        Settings.conversations_per_agent,
    ),
    "agents that answer each other": (sending.AGENT_TURNS,),
    "conversations that one chat socket has joined; members of one": (sockets.ROOMS, members.MEMBERS),
    "sockets and read marks in all rooms that one chat socket has joined": (feed.CROWD,),
    "an event on a chat socket": (sizes.EVENT / 1000,),
}


def numbers(text: str) -> list[float]:
    """The numbers of a cell, in order."""
    return [float(each.replace(",", "")) for each in re.findall(r"\b\d[\d,]*\b", text)]


@pytest.mark.parametrize("limit", IN_CODE)
def test_a_limit_on_the_page_is_the_one_in_the_code(limit: str) -> None:
    assert numbers(ROWS[limit]) == list(IN_CODE[limit])
