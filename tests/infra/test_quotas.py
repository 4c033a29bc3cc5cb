"""What the account lets a stage have at once is said before it is deployed, and kept to."""

from __future__ import annotations

import boto3
import pytest
from botocore.stub import Stubber

from infra.account import NotDone
from infra.quotas import looked_up


def _told(most: int, **env: str) -> list[str]:
    client = boto3.client("lambda", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="y")
    told: list[str] = []
    with Stubber(client) as stub:
        stub.add_response("get_account_settings", {"AccountLimit": {"ConcurrentExecutions": most}})
        looked_up(client, env, told.append)
    client.close()
    return told


def test_a_new_accounts_limit_is_said_with_the_way_to_more() -> None:
    first, second = _told(10)
    assert "at most 10 functions" in first
    assert "Service Quotas" in second
    assert len(_told(1000)) == 1


@pytest.mark.parametrize(("most", "fits"), [(1000, True), (460, True), (459, False), (10, False)])
def test_reservations_leave_what_lambda_asks_for(most: int, fits: bool) -> None:
    env = {"FRONT_RESERVED": "20", "GENERATE_AT_ONCE": "300"}
    if fits:
        assert _told(most, **env)
    else:
        with pytest.raises(NotDone, match="reserve 360"):
            _told(most, **env)
