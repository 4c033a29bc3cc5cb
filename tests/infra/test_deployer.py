"""The policy of who deploys: of this template, of this stage, and of nothing else."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from infra.deployer import MAKES, WITH, policy

Template = dict[str, Any]
SIGNING = "arn:aws:secretsmanager:us-east-1:123456789012:secret:signing"


def _policy(template: Template, **more: str) -> Any:
    return policy(template, "dev", "123456789012", "us-east-1", **more)


def test_what_the_template_makes_may_be_made_and_what_it_does_not_make_may_not(template: Template) -> None:
    kinds = {each["Type"] for each in template["Resources"].values()} | {"AWS::Events::Rule"}
    assert MAKES.keys() | WITH.keys() == kinds, "a type that is in no template needs no entry"
    named = {each["Sid"] for each in _policy(template)["Statement"]}
    assert {"DynamoDBTable", "ServerlessFunction", "EventsRule"} <= named
    less = copy.deepcopy(template)
    less["Resources"] = {name: each for name, each in less["Resources"].items() if "CloudFront" not in each["Type"]}
    assert named - {each["Sid"] for each in _policy(less)["Statement"]} == {"CloudFrontDistribution"}


def test_a_type_that_nothing_is_known_of_cannot_be_forgotten(template: Template) -> None:
    more = {"Resources": {**template["Resources"], "Machine": {"Type": "AWS::StepFunctions::StateMachine"}}}
    with pytest.raises(LookupError, match="AWS::StepFunctions::StateMachine"):
        _policy(more)


def test_it_reaches_one_stage_of_one_account_and_no_action_is_everything(template: Template) -> None:
    for each in _policy(template, signing=SIGNING)["Statement"]:
        assert not any(action.endswith(":*") or action == "*" for action in each["Action"]), each["Sid"]
        anywhere = each["Resource"] == ["*"]
        assert anywhere == (each["Sid"] in ("Limits", "Tables", "Anywhere")), each["Sid"]
        reads = all(action.split(":")[1].startswith(("Get", "List", "Describe", "Unsubscribe")) for action in each["Action"])
        assert not anywhere or reads, "everywhere it only looks, or takes back a subscription whose id it knows"
    documents = next(each for each in _policy(template)["Statement"] if each["Sid"] == "Documents")
    assert documents["Resource"] == ["arn:aws:dynamodb:us-east-1:123456789012:table/concave-dev-*"]


def test_the_signing_key_may_be_read_where_there_is_one(template: Template) -> None:
    assert SIGNING not in json.dumps(_policy(template))
    readers = [each for each in _policy(template, signing=SIGNING)["Statement"] if each["Resource"] == [SIGNING]]
    assert [each["Action"] for each in readers] == [["secretsmanager:GetSecretValue"]]


def test_it_fits_into_two_managed_policies(template: Template) -> None:
    assert len(json.dumps(_policy(template, signing=SIGNING), separators=(",", ":"))) < 2 * 6144
