"""The stage is deployed by a role with the printed policy alone; what is taken out of that policy is missed."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from infra.account import NotDone
from infra.deploy import deploy
from infra.package import BUILD
from tests.cloud.stage import STAGE, Stage
from tests.infra.test_bundle import here_is_lambda

pytestmark = [here_is_lambda, pytest.mark.timeout(600)]

ASKED = (
    "cloudformation:CreateChangeSet",
    "cloudformation:DescribeChangeSet",
    "cloudformation:DescribeStacks",
    "cloudformation:ListStackResources",
    "lambda:GetAlias",
    "lambda:ListLayerVersions",
    "lambda:ListVersionsByFunction",
    "s3:GetObject",
    "s3:ListBucket",
    "s3:PutObject",
    "secretsmanager:GetSecretValue",
)
"""What a deployment asks itself also when nothing is to be changed."""


def _again(stage: Stage) -> list[str]:
    told: list[str] = []
    deploy(stage.operator(), STAGE, BUILD / STAGE, stage.env(), told.append, poll_s=0.2)
    return told


def test_with_the_printed_policy_a_deployment_goes_through(stage: Stage) -> None:
    assert any(line.startswith("the page: ") for line in _again(stage)), "what comes after the change of the stack"


@pytest.mark.parametrize("action", ASKED)
def test_a_deployment_misses_what_its_policy_lacks(stage: Stage, action: str) -> None:
    assert stage.deployer is not None
    with stage.deployer.without(action), pytest.raises((ClientError, NotDone), match=r"AccessDenied|not authorized|Forbidden"):
        _again(stage)
