"""Who deploys: a role of the account with the policy that is printed for a template, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import Any

from tests.cloud.emulator import ACCOUNT, Emulator

ROLE, POLICY = "deploys-concave", "deploys"


class Deployer:
    """The role, with credentials of a session of it.

    Args:
        account: whose role it is.
    """

    def __init__(self, account: Emulator) -> None:
        self._iam = account.client("iam")
        trusts = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trusts]})
        role = self._iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=document)["Role"]["Arn"]
        given = account.client("sts").assume_role(RoleArn=role, RoleSessionName="continuous-integration")["Credentials"]
        self.keys = {
            "aws_access_key_id": given["AccessKeyId"],
            "aws_secret_access_key": given["SecretAccessKey"],
            "aws_session_token": given["SessionToken"],
        }

    @property
    def env(self) -> dict[str, str]:
        """Its credentials as a command finds them."""
        return {name.upper(): value for name, value in self.keys.items()}

    def may(self, document: Mapping[str, Any]) -> None:
        """From now on its only policy is this one."""
        self._iam.put_role_policy(RoleName=ROLE, PolicyName=POLICY, PolicyDocument=json.dumps(document))

    @contextmanager
    def without(self, action: str) -> Iterator[None]:
        """Its policy lacks an action, wherever it is named; a pattern that grants it as well makes this an error."""
        whole = self._iam.get_role_policy(RoleName=ROLE, PolicyName=POLICY)["PolicyDocument"]
        named = [name for each in whole["Statement"] for name in each["Action"] if fnmatchcase(action, name)]
        assert named, f"{action} is not in the policy"
        assert set(named) == {action}, f"{action} is granted by {named}"
        less = [{**each, "Action": [name for name in each["Action"] if name != action]} for each in whole["Statement"]]
        self.may({**whole, "Statement": [each for each in less if each["Action"]]})
        try:
            yield
        finally:
            self.may(whole)
