"""What operators by key take in a stage: policies of their own, which are there with DASHBOARD=on alone.

Documents of no index are read by Scan, which no function of users needs; the log of calls is in the functions' own log groups.
"""

from __future__ import annotations

from typing import Any

from infra.template.parts import Deployment, Resource, Resources, ref, sub
from infra.template.policies import DOCUMENTS, ROLES, merged

READERS = ("api", "act")
"""Functions that run an operator's actions, over HTTP and over a socket; the log is read by an action."""


def checks(entry: str) -> bool:
    """Whether a function runs calls, and so checks the keys of those who call."""
    return DOCUMENTS in merged(ROLES[entry]).tables


def operating(deployment: Deployment) -> Resources:
    """A policy to look through the stage's own tables, one to see who watches what, one to read its own log groups."""
    tables = "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/" + deployment.name("*")
    groups = "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:/aws/lambda/" + deployment.name("*")
    callers = [entry for entry in deployment.functions if checks(entry)]
    readers = [entry for entry in callers if entry in READERS]
    watched = [sub(tables.replace("*", name)) for name in ("mailboxes", "subscriptions", "watches")]
    return {
        "OperatorsLook": _policy(deployment, "dynamodb:Scan", sub(tables), callers),
        "OperatorsWatch": _policy(deployment, ["dynamodb:Query", "dynamodb:BatchGetItem"], watched, readers),
        "OperatorsRead": _policy(deployment, "logs:FilterLogEvents", sub(groups), readers),
    }


def _policy(deployment: Deployment, action: str | list[str], where: Any, entries: list[str]) -> Resource:
    statement = {"Effect": "Allow", "Action": [action] if isinstance(action, str) else action, "Resource": where}
    return {
        "Type": "AWS::IAM::ManagedPolicy",
        "Condition": "HasDashboard",
        "Properties": {
            "PolicyDocument": {"Version": "2012-10-17", "Statement": [statement]},
            "Roles": [ref(deployment.functions[entry].role) for entry in entries],
        },
    }
