"""Every variable is checked, and a wrong one is named."""

import re
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chalicelib import environment
from chalicelib import settings as module
from chalicelib.environment import AuthProvider, BadSetting
from chalicelib.misspelt import SHORTEST, misspelt, names_in
from chalicelib.settings import Settings


def test_nothing_set_is_a_laptop() -> None:
    settings = Settings.from_env({})
    assert settings == Settings()
    assert settings.development


def test_a_stage_means_dynamodb_prefixed_tables_and_slower_flushes() -> None:
    settings = Settings.from_env({"STAGE": "prod"})
    assert (settings.store, settings.prefix, settings.chunk_flush_ms) == ("dynamodb", "concave-prod-", 250)
    assert not settings.development


def test_values_are_read_and_empty_ones_count_as_unset() -> None:
    env = {
        "PORT": "0",
        "DATA_DIR": "/data",
        "CONCAVE_APPS": "chalicelib.functions, my_app",
        "STORE": "",
        "MODEL_URL": "http://127.0.0.1:9/",
    }
    settings = Settings.from_env(env)
    assert (settings.port, settings.data_dir, settings.store) == (0, Path("/data"), "sqlite")
    servers = '{"retriever": {"url": "https://r.example/mcp", "authorization": {"secret": "R"}}}'
    assert Settings.from_env({"SYSTEM_MCP_SERVERS": servers}).mcp_system["retriever"]["authorization"] == {"secret": "R"}
    assert (settings.apps, settings.model_url) == (("chalicelib.functions", "my_app"), "http://127.0.0.1:9")


def test_an_issuer_closes_what_is_not_open_to_nobody() -> None:
    issuer = {"AUTH_ISSUER": "https://login.example", "AUTH_AUDIENCE": "app"}
    assert Settings.from_env({}).anonymous
    assert not Settings.from_env(issuer).anonymous
    assert Settings.from_env({**issuer, "ANONYMOUS": "on"}).anonymous
    assert not Settings.from_env({"ANONYMOUS": "off"}).anonymous


def test_auth_lists_run_in_parallel_and_a_data_url_keeps_its_commas() -> None:
    env = {
        "AUTH_ISSUER": "https://a, https://b,c",
        "AUTH_AUDIENCE": "one,*,three",
        "AUTH_JWKS": "data:text/plain;base64,AA==,,https://k",
    }
    assert Settings.from_env(env).auth == (
        AuthProvider("https://a", "data:text/plain;base64,AA==", "one"),
        AuthProvider("https://b", None, None),
        AuthProvider("c", "https://k", "three"),
    )


@pytest.mark.parametrize(
    ("env", "name"),
    [
        ({"STORE": "mysql"}, "STORE"),
        ({"SQLITE_SYNC": "off"}, "SQLITE_SYNC"),
        ({"STORE": "sqlite", "STAGE": "prod"}, "STORE"),
        ({"STAGE": "Prod!"}, "STAGE"),
        ({"PORT": "http"}, "PORT"),
        ({"PORT": "65536"}, "PORT"),
        ({"PORT": "-1"}, "PORT"),
        ({"DYNAMODB_ENDPOINT_URL": "localhost:8000"}, "DYNAMODB_ENDPOINT_URL"),
        ({"MODEL_URL": "http://host:port"}, "MODEL_URL"),
        ({"GENERATION_TIMEOUT_S": "900"}, "GENERATION_TIMEOUT_S"),
        ({"SYSTEM_MCP_SERVERS": "retriever"}, "SYSTEM_MCP_SERVERS"),
        ({"MODEL_PRICES": "3"}, "MODEL_PRICES"),
        ({"MODEL_PRICES": '{"m": {"inputs": 3}}'}, "MODEL_PRICES"),
        ({"MODEL_PRICES": '{"m": {"input": "3"}}'}, "MODEL_PRICES"),
        ({"MODEL_PRICES": '{"m": {"input": -1}}'}, "MODEL_PRICES"),
        ({"SYSTEM_MCP_SERVERS": '{"a": {"url": "http://a.example/"}}'}, "SYSTEM_MCP_SERVERS"),
        ({"SYSTEM_MCP_SERVERS": '{"a": {"url": "https://a.example/", "token": "x"}}'}, "SYSTEM_MCP_SERVERS"),
        ({"SYSTEM_MCP_SERVERS": '{"a": {"url": "https://a.example/", "authorization": "x"}}'}, "SYSTEM_MCP_SERVERS"),
        ({"PUSH_PUBLIC_KEY": "short"}, "PUSH_PUBLIC_KEY"),
        ({"PUSH_PUBLIC_KEY": "A" * 87}, "PUSH_PUBLIC_KEY"),
        ({"PUSH_PRIVATE_KEY": "-----BEGIN PRIVATE KEY-----"}, "PUSH_PRIVATE_KEY"),
        ({"PUSH_SUBJECT": "me"}, "PUSH_SUBJECT"),
        ({"PUSH_HOSTS": "https://fcm.googleapis.com"}, "PUSH_HOSTS"),
        ({"PUSH_HOSTS": "*"}, "PUSH_HOSTS"),
        ({"PUSH_HOSTS": "http://10.0.0.1:80"}, "PUSH_HOSTS"),
        ({"PUSH_HOSTS": "fcm.googleapis.com, http://127.0.0.1:80", "STAGE": "prod"}, "PUSH_HOSTS"),
        ({"TABLE_PREFIX": "a b"}, "TABLE_PREFIX"),
        ({"CONCAVE_APPS": "my-app"}, "CONCAVE_APPS"),
        ({"MAILBOX_LEASE": "0"}, "MAILBOX_LEASE"),
        ({"AUTH_AUDIENCE": "x"}, "AUTH_AUDIENCE"),
        ({"AUTH_ISSUER": "x"}, "AUTH_AUDIENCE"),
        ({"AUTH_ISSUER": "x,y", "AUTH_AUDIENCE": "z"}, "AUTH_AUDIENCE"),
        ({"AUTH_ISSUER": "x,", "AUTH_AUDIENCE": "z"}, "AUTH_ISSUER"),
        ({"AUTH_ISSUER": "x", "AUTH_AUDIENCE": "z", "AUTH_JWKS": "keys.json"}, "AUTH_JWKS"),
    ],
)
def test_a_wrong_value_is_refused_by_name(env: dict[str, str], name: str) -> None:
    with pytest.raises(BadSetting) as caught:
        Settings.from_env(env)
    assert caught.value.name == name
    assert str(caught.value).startswith(f"{name}=")


def test_the_key_of_the_model_is_not_printed() -> None:
    assert "hush" not in repr(Settings.from_env({"ANTHROPIC_API_KEY": "hush"}))


def test_push_messages_are_sent_with_a_key_and_a_contact_only() -> None:
    public = "B" + "A" * 86
    assert Settings.from_env({"PUSH_PUBLIC_KEY": public + "="}).push_key == public
    assert Settings.from_env({"PUSH_PUBLIC_KEY": public, "STAGE": "prod"}).push_key is None
    whole = {"PUSH_PUBLIC_KEY": public, "STAGE": "prod", "PUSH_SUBJECT": "mailto:you@example.com", "PUSH_PRIVATE_KEY": "A" * 43}
    assert Settings.from_env(whole).push_key == public
    assert "A" * 43 not in repr(Settings.from_env({**whole, "PUSH_PUBLIC_KEY": ""}))
    assert Settings.from_env({"PUSH_HOSTS": "http://127.0.0.1:99, A.example"}).push_hosts == ("http://127.0.0.1:99", "a.example")


def test_the_table_lists_every_variable_that_is_read() -> None:
    source = Path(module.__file__).read_text()
    table = set(re.findall(r"^\| ([A-Z_]+) \|", source, re.MULTILINE))
    readers = source.split("def from_env")[1] + Path(environment.__file__).read_text()
    read = set(re.findall(r'"([A-Z]+(?:_[A-Z]+)*)"', readers))
    assert read == table


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("AUTH_ISUER", "AUTH_ISSUER"),
        ("AUTH_ISSURE", "AUTH_ISSUER"),
        ("AUTHISSUER", "AUTH_ISSUER"),
        ("AUTH_AUDIANCE", "AUTH_AUDIENCE"),
        ("CONCAVE_APP", "CONCAVE_APPS"),
        ("CONCAVE_PORT", "PORT"),
        ("CONCAVE_DATA_DIR", "DATA_DIR"),
        ("ORIGIN_SECRETS", "ORIGIN_SECRET"),
        ("TOKEN_BUDGET_PER_OG", "TOKEN_BUDGET_PER_ORG"),
        ("CONCAVE_NONSENSE", "there is no such setting"),
    ],
)
def test_a_variable_that_is_nearly_a_setting_is_refused_with_the_one_that_it_may_mean(name: str, meant: str) -> None:
    with pytest.raises(BadSetting, match=name) as refused:
        Settings.from_env({name: "x"})
    assert meant in str(refused.value)
    assert "x'" not in str(refused.value), "a value may be a secret"


@given(st.sampled_from(sorted(names_in(module.__doc__ or ""))), st.data())
def test_any_slip_of_one_letter_in_a_long_name_is_noticed(name: str, data: st.DataObject) -> None:
    assume(len(name) >= SHORTEST)
    at = data.draw(st.integers(0, len(name) - 1))
    slips = [name[:at] + name[at + 1 :], f"{name[:at]}X{name[at:]}", f"{name[:at]}X{name[at + 1 :]}"]
    slip = data.draw(st.sampled_from(slips))
    assume(slip not in names_in(module.__doc__ or ""))
    found = misspelt({slip: "x"}, names_in(module.__doc__ or ""))
    assert found is not None
    assert found[0] == slip


def test_other_programs_variables_are_left_alone() -> None:
    strange = ("PATH", "HOSTNAME", "REPORT", "STORED", "DATABASE_URL", "AWS_REGION", "PORTS", "SITES", "MODELS", "XDG_DATA_DIRS")
    families = ("MCP_SECRET_HOSTS", "FUNCTION_RUN_JOB", "QUEUE_SWEEP")
    Settings.from_env(dict.fromkeys((*strange, *families), "x"))


def test_vectors_are_kept_by_a_service_only_beside_dynamodb() -> None:
    assert Settings.from_env({"STORE": "dynamodb", "VECTORS": "s3:my-vectors"}).vectors == "s3:my-vectors"
    for env in ({"VECTORS": "s3:my-vectors"}, {"STORE": "dynamodb", "VECTORS": "s3:"}, {"STORE": "dynamodb", "VECTORS": "faiss"}):
        with pytest.raises(BadSetting, match="VECTORS"):
            Settings.from_env(env)
