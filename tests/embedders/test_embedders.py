"""What turns texts into vectors, each by its real road: packages as they are installed, servers over a real socket."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.data.errors import EmbedderFailed
from chalicelib.embedders.bedrock import Bedrock
from chalicelib.embedders.choice import chosen
from chalicelib.embedders.hashing import Hashing
from chalicelib.embedders.remote import AT_ONCE, Remote
from chalicelib.embedders.static import WordLlama
from chalicelib.environment import BadSetting
from chalicelib.settings import Settings
from tests.embedders.labelled import PAIRS, places, reciprocal
from tests.embedders.loopback import Embeddings, serving


@pytest.fixture
def server() -> Iterator[Embeddings]:
    with serving() as found:
        yield found


def bedrock(server: Embeddings, model: str, dimensions: int = 32) -> Bedrock:
    def client() -> Any:
        import boto3
        from botocore.config import Config

        keys = {"aws_access_key_id": "k", "aws_secret_access_key": "s", "region_name": "eu-central-1"}
        return boto3.client("bedrock-runtime", endpoint_url=server.url, config=Config(retries={"max_attempts": 0}), **keys)

    return Bedrock(model, dimensions, client)


def likeness(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("kind", ["hashing", "wordllama", "remote", "titan", "cohere"])
def test_each_gives_unit_vectors_of_its_dimensions_in_order_and_the_same_again(kind: str, server: Embeddings) -> None:
    each = {
        "hashing": lambda: Hashing(64),
        "wordllama": WordLlama,
        "remote": lambda: Remote(f"{server.url}/v1/embeddings", "small", None, 32),
        "titan": lambda: bedrock(server, "amazon.titan-embed-text-v2:0"),
        "cohere": lambda: bedrock(server, "cohere.embed-v4:0"),
    }[kind]()
    texts = ["a cat sat", "the dog ran", "a cat sat here", "", "🙂", "検索"]
    found = each.embed(texts)
    assert [len(vector) for vector in found] == [each.dimensions] * len(texts)
    assert all(math.isclose(math.hypot(*vector), 1, abs_tol=1e-4) for vector in found)
    assert likeness(found[0], found[2]) > likeness(found[0], found[1])
    assert each.embed(texts[:1])[0] == pytest.approx(found[0], abs=1e-6)
    assert each.name.endswith(str(each.dimensions))
    assert each.embed([]) == []


def test_the_model_of_the_package_knows_what_words_mean_and_hashing_knows_the_words() -> None:
    by_meaning, by_words = places(WordLlama().embed), places(Hashing(256).embed)
    assert reciprocal(by_meaning) > 0.8
    assert reciprocal(by_meaning) > reciprocal(by_words) + 0.2
    assert places(Hashing(256).embed) == by_words
    assert len(by_words) == len(PAIRS)


def test_an_endpoint_is_asked_in_few_requests_with_its_key_and_model(server: Embeddings) -> None:
    each = Remote(f"{server.url}/v1/embeddings", "small", "secret", 16)
    assert len(each.embed([f"text {number}" for number in range(AT_ONCE + 1)])) == AT_ONCE + 1
    assert [len(body["input"]) for _, _, body in server.asked] == [AT_ONCE, 1]
    path, headers, body = server.asked[0]
    assert (path, headers["Authorization"], body["model"], body["dimensions"]) == ("/v1/embeddings", "Bearer secret", "small", 16)
    each.embed(["x" * 1_000_000])
    assert len(server.asked[-1][2]["input"][0]) == 20_000


@pytest.mark.parametrize(
    ("say", "told"),
    [
        ((500, b"busy"), "answered 500: busy"),
        ((401, b'{"error": {"message": "wrong key"}}'), "wrong key"),
        ((200, b"<html>"), "JSONDecodeError"),
        ((200, b'{"data": []}'), "1 texts with 0 vectors"),
        ((200, b'{"data": [{"index": 0, "embedding": [1, 2]}]}'), "a vector of 2 dimensions; EMBEDDER_DIMENSIONS is 16"),
        ((200, b'{"data": [{"index": 0, "embedding": [0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]}]}'), "without a direction"),
        ((200, b'{"data": [{"index": 0, "embedding": [NaN,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]}]}'), "no number"),
    ],
)
def test_an_answer_that_is_none_is_a_failure_that_can_be_tried_again(
    server: Embeddings, say: tuple[int, bytes], told: str
) -> None:
    each = Remote(server.url, "", None, 16)
    server.say = say
    with pytest.raises(EmbedderFailed, match=told):
        each.embed(["text"])
    server.say = None
    assert len(each.embed(["text"])) == 1


def test_a_server_that_is_not_there_and_a_model_that_refuses_are_failures(server: Embeddings) -> None:
    with pytest.raises(EmbedderFailed, match="did not answer"):
        Remote("http://127.0.0.1:1/v1/embeddings", "", None, 16).embed(["text"])
    server.say = (429, b'{"message": "Too many requests"}')
    with pytest.raises(EmbedderFailed, match="Bedrock did not answer"):
        bedrock(server, "amazon.titan-embed-text-v2:0").embed(["text"])


def test_one_setting_chooses() -> None:
    def name(**env: str) -> str | None:
        found = chosen(Settings.from_env(env))
        return None if found is None else found.name

    assert name() == "wordllama-256"
    assert name(STAGE="prod", AUTH_ISSUER="https://i.example", AUTH_AUDIENCE="a") is None
    assert name(EMBEDDER="given") is None
    assert name(EMBEDDER="hashing", EMBEDDER_DIMENSIONS="64") == "hashing-64"
    assert name(EMBEDDER="bedrock:amazon.titan-embed-text-v2:0") == "amazon.titan-embed-text-v2:0-256"
    assert name(EMBEDDER="bedrock:eu.cohere.embed-v4:0") == "eu.cohere.embed-v4:0-256"
    assert name(EMBEDDER="https://e.example/v1/embeddings", EMBEDDER_MODEL="m") == "m-256"
    for wrong in ("magic", "bedrock:anthropic.claude", "ftp://x", "bedrock:"):
        with pytest.raises(BadSetting, match="EMBEDDER"):
            name(EMBEDDER=wrong)


def test_nothing_heavy_is_loaded_before_the_first_text_is_embedded() -> None:
    code = (
        "import sys\n"
        "from chalicelib.embedders.choice import chosen\n"
        "from chalicelib.settings import Settings\n"
        "import app\n"
        "assert chosen(Settings.from_env({})).name == 'wordllama-256'\n"
        "print([name for name in ('numpy', 'wordllama', 'tokenizers') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr
