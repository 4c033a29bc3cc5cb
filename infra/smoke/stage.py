"""A stage from the inside, as its operator sees it: whose socket is whose, a post to it, a chain of jobs."""

from __future__ import annotations

import time
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.data import mount
from chalicelib.data.errors import NotFound
from chalicelib.data.receipts import from_row
from chalicelib.data.store import Key
from chalicelib.data.tables import org_key
from chalicelib.live.messages import PING
from chalicelib.runtime.executor import Executor
from infra.account import Account, NotDone, stack_name
from infra.template.parts import ALIAS

ORG = "smoke"
CHAIN = "smoke:hop"


class Stage:
    """A deployed stage.

    Args:
        where: its account.
        stage: its name.
        executor: runs functions on its tables.
    """

    def __init__(self, where: Account, stage: str, executor: Executor) -> None:
        self._where, self._stage, self._executor = where, stage, executor
        try:
            (stack,) = where.client("cloudformation").describe_stacks(StackName=stack_name(stage))["Stacks"]
        except ClientError as error:
            raise NotDone(f"there is no stack {stack_name(stage)} in {where.region}: {error}") from error
        self.outputs = {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", ())}
        self.given = {each["ParameterKey"]: each["ParameterValue"] for each in stack.get("Parameters", ())}

    def has(self, path: str) -> bool:
        """Whether the deployed app has a function of this path."""
        try:
            self._executor.registry.get(mount.path(path))
        except NotFound:
            return False
        return True

    def connection_of(self, session: str) -> str | None:
        """The connection of a client's session, by its mailbox."""
        asked = {
            "TableName": f"concave-{self._stage}-mailboxes",
            "FilterExpression": "#session = :session",
            "ExpressionAttributeNames": {"#session": "session"},
            "ExpressionAttributeValues": {":session": {"S": session}},
        }
        for page in self._where.client("dynamodb").get_paginator("scan").paginate(**asked):
            for row in page["Items"]:
                return str(row["pk"]["S"])
        return None

    def post(self, connection: str, size: int) -> str:
        """Post a ping of so many bytes to a socket, as the functions post. Empty when it was taken; else AWS's word."""
        gateway = self._gateway()
        try:
            gateway.post_to_connection(ConnectionId=connection, Data=PING.ljust(size).encode())
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        except BotoCoreError as error:
            return f"{error}"
        return ""

    def _gateway(self) -> Any:
        name = f"concave-{self._stage}-ws_message"
        environment = self._where.client("lambda").get_function_configuration(FunctionName=name, Qualifier=ALIAS)
        endpoint = environment["Environment"]["Variables"]["WS_ENDPOINT"]
        session: boto3.Session = self._where.session
        return session.client("apigatewaymanagementapi", endpoint_url=endpoint)

    def chained(self, count: int, seconds: float) -> int:
        """Start a chain of jobs, each of which schedules the next; how many had run when the last had, or the time was up."""
        executor = self._executor
        hop = executor.registry.get(mount.path(CHAIN))
        row = executor.transact(ORG, CHAIN, lambda run: _scheduled(run.jobs.schedule(hop, {"left": count}, float(run.now))))
        assert row.receipt is not None
        jobs, ran, end = row.receipt.jobs, 0, time.monotonic() + seconds
        while jobs and time.monotonic() < end:
            found = executor.store.get(Key("commits", f"{org_key(ORG)}|job:{jobs[0]['id']}"))
            if found is None:
                time.sleep(0.2)
                continue
            jobs, ran = from_row(found).jobs, ran + 1
        return ran


def _scheduled(job: str) -> str:
    return f'"{job}"'
