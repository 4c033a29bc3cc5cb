"""Each protective step of the server is needed: without it, the test that it is for fails."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.local.sqlite.backup import FILE, backup, restore
from tests.local import test_server as server
from tests.local import test_walls as walls
from tests.local.conftest import Local
from tests.local.mutants import SWITCHES, off
from tests.local.test_backup import Bank, damaged

HOSTS = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nHost: 127.0.0.1:%d\r\n\r\n"

SHOWN: dict[str, Callable[[Local], None]] = {
    "a request may take as long as it likes": lambda local: (
        server.test_a_request_that_never_arrives_whole_is_answered_408_and_its_connection_ends(local, server.HALF[0])
    ),
    "a head may be as long as it likes": lambda local: server.test_a_head_beyond_the_wall_is_a_431_also_before_it_has_ended(
        local, True
    ),
    "a head is not looked at": lambda local: (
        server.test_a_head_that_a_proxy_could_read_in_another_way_is_a_400_and_reaches_no_handler(local, HOSTS)
    ),
    "an answer is written into another": (server.test_a_request_that_was_refused_early_and_never_arrives_whole_has_one_answer),
    "a silent client stays": server.test_a_client_that_says_nothing_is_let_go,
    "a socket is closed with its close frame": walls.test_a_client_that_reads_only_when_it_has_sent_everything_is_told_1009_too,
    "a socket that does not read is waited for": (
        walls.test_a_client_that_does_not_read_fills_its_own_buffer_only_and_is_cut_when_it_must_go
    ),
    "a frame has the limit of a message": walls.test_a_frame_of_32_kb_passes_and_one_more_byte_closes_with_1009,
    "a broken frame takes with it what came before": (walls.test_what_came_in_one_packet_before_a_frame_that_is_too_large_counts),
    "text may be any bytes": walls.test_text_that_is_no_utf_8_closes_with_1007_and_what_came_before_it_counts,
}
UNREAD = {"a client may leave its answer unread": b"", "a client may leave its last answer unread": b"Connection: close\r\n"}
COPIES = ["a copy is not read through", "the log of the old file stays", "keys are not copied"]


@pytest.mark.parametrize("step", SHOWN)
def test_without_it_its_test_fails(local: Local, step: str) -> None:
    with off(step), pytest.raises(Exception):  # noqa: B017 (a test may fail in any way)
        SHOWN[step](local)


@pytest.mark.parametrize("step", UNREAD)
def test_without_it_a_client_that_reads_nothing_stays(tmp_path: Path, step: str) -> None:
    (tmp_path / "large.txt").write_bytes(b"x" * 8_000_000)
    running = Local(tmp_path)
    running.walls.keep_alive_s = 1.5
    try:
        with off(step), pytest.raises(AssertionError):
            server.test_a_client_that_reads_nothing_of_its_answer_is_cut_and_a_slow_one_is_not(running, UNREAD[step])
    finally:
        running.stop()


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    made = Bank(tmp_path / "bank")
    yield made
    if made.process.poll() is None:
        made.end(signal.SIGKILL)


def test_without_them_a_restored_copy_is_another(bank: Bank, tmp_path: Path) -> None:
    for number in range(80):
        bank.call("mutation", "stack_app:add", name=f"{number} " + "x" * 900)
    backup(bank.data, tmp_path / "copy")
    with off("keys are not copied"):
        backup(bank.data, tmp_path / "without keys")
    assert not list((tmp_path / "without keys").glob("*.pem"))
    bank.call("mutation", "stack_app:add", name="later")
    bank.end(signal.SIGKILL)
    with off("the log of the old file stays"):
        restore(tmp_path / "copy", bank.data)
    assert (bank.data / f"{FILE}-wal").exists(), "SQLite would read the old log into the restored file"
    damaged(tmp_path / "copy" / FILE, "overwritten")
    with off("a copy is not read through"):
        restore(tmp_path / "copy", bank.data)  # and nobody is told


def test_every_step_is_shown() -> None:
    assert sorted([*SHOWN, *UNREAD, *COPIES]) == sorted(SWITCHES)
