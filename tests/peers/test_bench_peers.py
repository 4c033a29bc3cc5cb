"""What `make bench-peers` says of what it has found, and of what it could not find."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench_peers import GOALS, MESSAGES, OURS, Figures, measure, verdicts
from tests.peers.servers import PEERS, Bare, Concave, Peer, Unavailable
from tests.support.loop import alone

SAME: Figures = {"last": 2.0, "cpu": 2.0, "rate": 2.0}
FAR: Figures = {"last": 90.0, "cpu": 90.0, "rate": 0.1}


def test_every_goal_names_a_server_and_a_round_that_are_measured() -> None:
    titles = {kind.title for kind in PEERS}
    assert Concave.title == OURS
    assert all(whose in titles and figure in SAME and viewers in MESSAGES for _, whose, figure, viewers, _, _ in GOALS)


def test_a_goal_is_reached_on_its_own_side_of_the_sign() -> None:
    even = {kind.title: dict.fromkeys(MESSAGES, SAME) for kind in PEERS}
    assert all(line.endswith("reached") and "NOT" not in line for line in verdicts(even))
    slow = {**even, OURS: dict.fromkeys(MESSAGES, FAR)}
    assert all("NOT reached" in line for line in verdicts(slow))


def test_a_server_that_is_missing_is_said_and_not_counted_as_reached() -> None:
    alone = {OURS: dict.fromkeys(MESSAGES, SAME)}
    assert all("not measured" in line for line in verdicts(alone))
    assert len(verdicts({})) == len(GOALS)


def test_a_program_that_ends_at_once_is_unavailable_by_its_own_words(tmp_path: Path) -> None:
    peer = Peer(tmp_path)
    with pytest.raises(Unavailable, match="no such module"):
        peer.spawn([sys.executable, "-c", "print('no such module')"], "port ")
    peer.stop()


@pytest.mark.parametrize("kind", [Bare, Concave])
def test_a_message_reaches_ten_viewers_and_the_server_is_gone_afterwards(kind: type[Peer], tmp_path: Path) -> None:
    async def walk() -> Figures:
        await peer.prepare()
        try:
            return await measure(peer, 10)
        finally:
            peer.stop()

    peer = kind(tmp_path)
    found = alone(walk())
    assert found["last"] > 0
    assert found["rate"] > 0
    assert subprocess.run(["kill", "-0", str(peer.pid)], capture_output=True, check=False).returncode != 0
