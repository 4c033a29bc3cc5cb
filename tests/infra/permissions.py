"""What a request asks of IAM, and whether a policy grants it: the rules of the service authorization reference."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.infra.resolved import ACCOUNT, REGION

_TABLE = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/"
_SINGLE = ("GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query")
_IN_TRANSACTION = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}


@dataclass(frozen=True, order=True)
class Asked:
    """One permission that a request needs."""

    action: str
    resource: str


def of_dynamodb(operation: str, body: Mapping[str, Any]) -> Iterator[Asked]:
    """The permissions that a DynamoDB request needs. A transaction needs those of its actions."""
    if operation in _SINGLE:
        index = f"/index/{body['IndexName']}" if "IndexName" in body else ""
        yield Asked(f"dynamodb:{operation}", f"{_TABLE}{body['TableName']}{index}")
    elif operation == "BatchGetItem":
        for table in body["RequestItems"]:
            yield Asked("dynamodb:BatchGetItem", _TABLE + table)
    elif operation == "TransactGetItems":
        for each in body["TransactItems"]:
            yield Asked("dynamodb:GetItem", _TABLE + each["Get"]["TableName"])
    elif operation == "TransactWriteItems":
        for each in body["TransactItems"]:
            ((kind, request),) = each.items()
            yield Asked(f"dynamodb:{_IN_TRANSACTION[kind]}", _TABLE + request["TableName"])
    else:
        yield Asked(f"dynamodb:{operation}", "*")


def of_lambda(name: str) -> Asked:
    """Invoking a function."""
    return Asked("lambda:InvokeFunction", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}")


def of_sqs(operation: str, queue_url: str) -> Asked:
    """Something with a queue."""
    return Asked(f"sqs:{operation}", f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue_url.rpartition('/')[2]}")


def of_socket(verb: str, connection: str) -> Asked:
    """Something with a socket, on the stage `api` of the API that the template calls WebsocketAPI."""
    where = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:WebsocketAPI/api/{verb}/@connections/{connection}"
    return Asked("execute-api:ManageConnections", where)


def of_secret(name: str) -> Asked:
    """Reading a secret."""
    return Asked("secretsmanager:GetSecretValue", name)


@dataclass(frozen=True)
class Statement:
    """One statement of a policy."""

    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]

    def allows(self, asked: Asked) -> bool:
        """Whether this statement grants it."""
        return asked.action in self.actions and any(fnmatch.fnmatchcase(asked.resource, each) for each in self.resources)


def statements(role: Mapping[str, Any]) -> list[Statement]:
    """The statements of a resolved role."""
    found = []
    for policy in role["Policies"]:
        for each in policy["PolicyDocument"]["Statement"]:
            actions, resources = each["Action"], each["Resource"]
            resources = [resources] if isinstance(resources, str) else resources
            found.append(Statement(each["Sid"], tuple(actions), tuple(resources)))
    return found


def denied(asked: Asked, who: str) -> bytes:
    """AWS's answer to a request that is not granted."""
    text = f"User: {who} is not authorized to perform: {asked.action} on resource: {asked.resource}"
    return json.dumps({"__type": "com.amazon.coral.service#AccessDeniedException", "message": text, "Message": text}).encode()
