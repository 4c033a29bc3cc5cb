"""The pair of a stage's operators: its private half stays with who deploys, its public half is a parameter."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from chalicelib.environment import BadSetting
from chalicelib.runtime.operators import public_half
from infra.account import NotDone
from infra.stage_keys import operators_pair, private_key

SIGNS, OTHER = "5" * 64, "7" * 64
KNOWN = [{"ParameterKey": "OperatorPublicKey", "ParameterValue": public_half(OTHER)}]


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in (("AWS_ACCESS_KEY_ID", "x"), ("AWS_SECRET_ACCESS_KEY", "y"), ("AWS_DEFAULT_REGION", "us-east-1")):
        monkeypatch.setenv(name, value)
    with mock_aws():
        yield


def test_without_dashboard_there_is_no_pair(tmp_path: Path) -> None:
    assert operators_pair({"OPERATOR_KEY": SIGNS, "DATA_DIR": str(tmp_path)}, "dev", (), print) == {}
    assert list(tmp_path.iterdir()) == []


def test_a_pair_is_made_once_for_each_stage_and_its_private_half_is_its_owners_alone(tmp_path: Path) -> None:
    env, told = {"DASHBOARD": "on", "DATA_DIR": str(tmp_path)}, list[str]()
    made = operators_pair(env, "dev", (), told.append)
    assert operators_pair(env, "dev", (), told.append) == made != operators_pair(env, "prod", (), told.append)
    assert made == {"OPERATOR_PUBLIC_KEY": public_half(private_key({}, tmp_path, "dev"))}
    assert all(each.stat().st_mode & 0o077 == 0 for each in tmp_path.iterdir())
    assert private_key({}, tmp_path, "dev") not in "".join(told)


def test_a_stage_that_has_a_pair_keeps_it_unless_another_is_named(tmp_path: Path) -> None:
    env = {"DASHBOARD": "on", "DATA_DIR": str(tmp_path)}
    assert operators_pair(env, "dev", KNOWN, print) == {}
    assert operators_pair({**env, "OPERATOR_KEY": SIGNS}, "dev", KNOWN, print) == {"OPERATOR_PUBLIC_KEY": public_half(SIGNS)}
    assert operators_pair({**env, "OPERATOR_PUBLIC_KEY": public_half(SIGNS)}, "dev", (), print) == {}
    assert list(tmp_path.iterdir()) == []


def test_the_private_half_may_be_a_secret_of_the_account(tmp_path: Path) -> None:
    client = boto3.client("secretsmanager")
    good, bad = (
        client.create_secret(Name=name, SecretString=text)["ARN"] for name, text in (("a", f"{SIGNS}\n"), ("b", "no key"))
    )
    assert private_key({"OPERATOR_KEY_SECRET": good}, tmp_path, "dev") == SIGNS
    with pytest.raises(BadSetting, match="64 hexadecimal digits"):
        private_key({"OPERATOR_KEY_SECRET": bad}, tmp_path, "dev")
    with pytest.raises(NotDone, match="cannot be read"):
        private_key({"OPERATOR_KEY_SECRET": "nothing"}, tmp_path, "dev")


@pytest.mark.parametrize("value", ["short", "5" * 63, "x" * 64])
def test_what_is_no_key_is_refused_and_not_shown(tmp_path: Path, value: str) -> None:
    with pytest.raises(BadSetting, match="OPERATOR_KEY") as refused:
        private_key({"OPERATOR_KEY": value}, tmp_path, "dev")
    assert value not in str(refused.value)
