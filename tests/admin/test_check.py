"""`check`: an operator finds the documents that their tables do not allow, and mends them; an import refuses them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chalicelib.data.store import Delete, Key, Put, Update
from chalicelib.settings import Settings
from infra.admin.__main__ import main
from infra.admin.opened import opened

APPS = ("chalicelib.functions", "examples.live_counter")
Told = tuple[int, list[Any], str]


@pytest.fixture
def admin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Told]:
    """Run a command on the laptop's data: exit code, lines of JSON, and what it complains of."""

    def run(*arguments: str) -> Told:
        monkeypatch.setenv("DATA_DIR", str(tmp_path / "laptop"))
        monkeypatch.setenv("CONCAVE_APPS", ",".join(APPS))
        code = main(arguments)
        told = capsys.readouterr()
        return code, [json.loads(line) for line in told.out.splitlines()], told.err

    return run


@pytest.fixture
def spoiled(tmp_path: Path, admin: Callable[..., Told]) -> Settings:
    """Counters of two orgs; one of each was made bad by hand, and one row is no document at all."""
    settings = Settings(data_dir=tmp_path / "laptop", apps=APPS)
    for org in ("acme", "other"):
        for name in ("good", "bad"):
            assert admin("run", "live_counter:add", json.dumps({"name": name}), "--org", org)[0] == 0
    with opened(settings) as backend:
        for item in backend.store.scan("liveCounters", limit=10).items:
            if item["_id"] == "bad":
                backend.store.write(Update(Key("liveCounters", item["pk"]), {("value",): "many"}))
    return settings


def test_what_is_wrong_is_told_by_org_table_id_field_and_rule(spoiled: Settings, admin: Callable[..., Told]) -> None:
    code, told, _ = admin("check")
    assert code == 1
    assert {(row["org"], row["table"], row["field"], row["mended"]) for row in told} == {
        ("acme", "liveCounters", "value", False),
        ("other", "liveCounters", "value", False),
    }
    assert "expected" in told[0]["rule"]
    assert len(admin("check", "--table", "liveCounters", "--org", "acme")[1]) == 1
    assert admin("check", "--table", "chatSessions") == (0, [], "")


def test_it_is_mended_by_a_new_value_and_by_taking_the_field_away(spoiled: Settings, admin: Callable[..., Told]) -> None:
    code, (told,), _ = admin("check", "--table", "liveCounters", "--org", "acme", "--fix", "value=7")
    assert (code, told["mended"]) == (0, True)
    assert admin("run", "live_counter:read", '{"name": "bad"}', "--org", "acme")[1] == [7]
    assert admin("run", "live_counter:highest", "--org", "acme")[1][0][0]["value"] == 7
    code, (told,), _ = admin("check", "--table", "liveCounters", "--unset", "value")
    assert (code, told["org"], told["mended"]) == (0, "other", True)
    assert admin("check") == (0, [], "")
    assert admin("indexes", "--audit")[0] == 0


def test_a_value_that_does_not_mend_it_changes_nothing_and_is_told(spoiled: Settings, admin: Callable[..., Told]) -> None:
    code, told, _ = admin("check", "--table", "liveCounters", "--fix", 'value="still wrong"')
    assert (code, [row["mended"] for row in told]) == (1, [False, False])
    assert all(row["field"] == "value" for row in told)
    assert "liveCounters" in admin("check", "--fix", "value=1")[2] or "say --table" in admin("check", "--fix", "value=1")[2]
    assert "has no field" in admin("check", "--table", "liveCounters", "--fix", "valu=1")[2]
    assert "as JSON" in admin("check", "--table", "liveCounters", "--fix", "value=x")[2]


def test_one_of_them_is_removed_and_never_one_that_is_right(spoiled: Settings, admin: Callable[..., Told]) -> None:
    assert admin("check", "--table", "liveCounters", "--delete", "good") == (0, [], "")
    code, (told,), _ = admin("check", "--table", "liveCounters", "--org", "acme", "--delete", "bad")
    assert (code, told["id"], told["mended"]) == (0, "bad", True)
    assert [row["_id"] for row in _rows(spoiled, "acme")] == ["good"]


def test_a_row_that_was_made_by_hand_is_found_and_removed(spoiled: Settings, admin: Callable[..., Told]) -> None:
    with opened(spoiled) as backend:
        backend.store.write(Put("liveCounters", {"pk": "acme|liveCounters|hand"}))
        backend.store.write(Put("chatMessages", {"pk": "acme|chatMessages|5x", "sk": "nonsense"}))
        for item in backend.store.scan("liveCounters", limit=10).items:
            if item.get("_id") == "bad":
                backend.store.write(Delete(Key("liveCounters", item["pk"])))
    found = {(row["table"], row["id"]) for row in admin("check")[1]}
    assert found == {("liveCounters", "hand"), ("chatMessages", "nonsense")}
    assert admin("check", "--table", "liveCounters", "--delete", "hand")[0] == 0
    assert admin("check", "--table", "chatMessages", "--delete", "nonsense")[0] == 0
    assert admin("check") == (0, [], "")


def test_an_import_of_a_document_that_its_table_does_not_allow_writes_nothing_and_names_it(
    admin: Callable[..., Told], tmp_path: Path
) -> None:
    file = tmp_path / "some.jsonl"
    good = {"_id": "g", "_creationTime": 1, "lastBy": "ann", "value": 1}
    for wrong, problem in (
        ({**good, "_id": "b", "value": "many"}, "at value"),
        ({**good, "_id": "b", "lastBy": {"$integer": "AQAAAAAAAAA="}}, "at lastBy"),
        ({**good, "_id": "b", "_creationTime": None}, "at _creationTime"),
        ({"_id": "b", "value": 1}, "at _creationTime"),
        ({**good, "_id": ""}, "at _id"),
        ({**good, "_id": "b", "pk": "other|liveCounters|b"}, "at pk"),
        ({**good, "_id": "b", "by_name#p": "x"}, "at by_name#p"),
        ({**good, "_id": "b", "_c": "x"}, "at _c"),
        ({**good, "_id": "b", "more": {"": 1}}, "no key"),
        ({**good, "_id": "b" * 5000}, "longer than"),
        ({**good, "_id": "b", "more": "x" * 500_000}, "400 KB"),
    ):
        lines = [{"table": "liveCounters", "org": "acme", "document": document} for document in (good, wrong)]
        file.write_text("\n".join(map(json.dumps, lines)))
        code, _, told = admin("import", str(file))
        assert (code, "Line 2" in told, problem in told) == (1, True, True), (wrong, told)
        assert admin("data", "liveCounters")[1] == []


def _rows(settings: Settings, org: str) -> list[dict[str, Any]]:
    with opened(settings) as backend:
        return [item for item in backend.store.scan("liveCounters", limit=10).items if item["pk"].startswith(f"{org}|")]


def test_an_export_of_what_no_file_can_hold_names_the_document(spoiled: Settings, admin: Callable[..., Told]) -> None:
    with opened(spoiled) as backend:
        backend.store.write(Put("liveCounters", {"pk": "acme|liveCounters|hand", "_id": "hand", "more": {"日本": 1}}))
    code, _, told = admin("export", "--table", "liveCounters")
    assert (code, "'hand' of liveCounters" in told, "at more" in told) == (1, True, True)
