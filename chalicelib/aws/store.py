"""The store on DynamoDB: the port's verbs as requests of the botocore client that pynamodb's connection configures.

Documents are schemaless here (a rollback must not eat attributes it does not know), so items travel as DynamoDB's own JSON
and not through Model instances; the Models (`models.py`) say what the tables are. What DynamoDB would refuse is refused
before sending, with a message that names the limit; what only DynamoDB can know is translated by `failures.py`. Short
timeouts, because a caller with a lease would rather look again than wait. The SDK retries 5xx and throttling by itself:
transactions carry a token that makes their repetition harmless, and for single writes the engine looks before it trusts.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError
from pynamodb.connection import Connection

from chalicelib.aws import rules
from chalicelib.aws.expressions import Placeholders, condition_text, update_text
from chalicelib.aws.failures import failure, throttled, unanswered
from chalicelib.aws.wire import item_from_wire, item_to_wire, to_wire
from chalicelib.data.errors import BadRequest, Contention, StoreRefused
from chalicelib.data.meters import measure
from chalicelib.data.store import (
    MAX_PARTITION_KEY_BYTES,
    MAX_SORT_KEY_BYTES,
    Action,
    Check,
    Condition,
    IndexSpec,
    Item,
    Key,
    Put,
    Rows,
    TableSpec,
    Update,
    Write,
)

BATCH_KEYS = 100
BATCH_TRIES = 8
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_ON_FAILURE = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}


def connect(endpoint_url: str | None = None, region: str | None = None) -> Any:
    """A botocore DynamoDB client through pynamodb: 1 s to connect, 3 s to answer, 50 sockets, 3 tries with jitter.

    An engine on this machine gets made-up credentials; everything else uses the usual chain.
    """
    here = endpoint_url is not None and urlsplit(endpoint_url).hostname in _LOOPBACK
    made_up = "local" if here else None
    return Connection(
        region=region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1",
        host=endpoint_url,
        connect_timeout_seconds=1,
        read_timeout_seconds=3,
        max_pool_connections=50,
        retry_configuration={"mode": "standard", "total_max_attempts": 3},
        aws_access_key_id=made_up,
        aws_secret_access_key=made_up,
    ).client


class DynamoStore:
    """The store port on DynamoDB.

    Args:
        specs: the tables; a table's name in DynamoDB is `prefix` + its own.
        prefix: what goes before every name.
        endpoint_url: another engine that speaks DynamoDB; None = AWS.
        region: the AWS region; None = the process's own (`AWS_REGION`).
        client: a client of `connect` to share; None = its own.
        sleep: waits the seconds between tries of `batch_get`.
        rng: draws those waits (full jitter, at most 1 s).
    """

    def __init__(
        self,
        specs: Sequence[TableSpec],
        prefix: str = "",
        endpoint_url: str | None = None,
        region: str | None = None,
        *,
        client: Any = None,
        sleep: Callable[[float], None] = time.sleep,
        rng: random.Random | None = None,
    ) -> None:
        self._specs = rules.check_specs(specs)
        self._prefix = prefix
        self.client = client or connect(endpoint_url, region)
        self._sleep, self._rng = sleep, rng or random.Random()

    def close(self) -> None:
        """Close the sockets."""
        self.client.close()

    # Reads ------------------------------------------------------------------------------------------------------------

    def get(self, key: Key) -> Item | None:
        """One item, strongly consistent."""
        answer = self._call("get_item", [key.table], writes=False, **self._place(key), ConsistentRead=True)
        return item_from_wire(answer["Item"]) if answer.get("Item") else None

    def batch_get(self, keys: Sequence[Key]) -> list[Item | None]:
        """Many items, each strongly consistent by itself; keys that DynamoDB left undone are asked for again."""
        found: dict[Key, Item] = {}
        wanted = list(dict.fromkeys(keys))
        for start in range(0, len(wanted), BATCH_KEYS):
            self._batch(wanted[start : start + BATCH_KEYS], found)
        return [found.get(key) for key in keys]

    def _batch(self, keys: Sequence[Key], found: dict[Key, Item]) -> None:
        asked: dict[str, Any] = {}
        for key in keys:
            place = self._place(key)
            asked.setdefault(place["TableName"], {"Keys": [], "ConsistentRead": True})["Keys"].append(place["Key"])
        for tried in range(BATCH_TRIES):
            answer = self._call("batch_get_item", [keys[0].table], writes=False, RequestItems=asked)
            for name, items in answer.get("Responses", {}).items():
                spec = self._spec(name.removeprefix(self._prefix))
                for item in map(item_from_wire, items):
                    found[rules.key_of(spec, item)] = item
            asked = answer.get("UnprocessedKeys") or {}
            if not asked:
                return
            self._sleep(self._rng.uniform(0, min(1.0, 0.05 * 2**tried)))
        raise Contention(next(iter(asked)).removeprefix(self._prefix))

    def transact_get(self, keys: Sequence[Key]) -> list[Item | None]:
        """At most 100 items at one instant."""
        rules.check_transaction(keys)
        gets = [{"Get": self._place(key)} for key in keys]
        answer = self._call("transact_get_items", [key.table for key in keys], writes=False, TransactItems=gets)
        return [item_from_wire(one["Item"]) if one.get("Item") else None for one in answer["Responses"]]

    def query(
        self,
        table: str,
        partition: str,
        *,
        low: str | None = None,
        high: str | None = None,
        newest: bool = False,
        limit: int | None = None,
        index: str | None = None,
    ) -> Rows:
        """A range of one partition; without limit every page of it."""
        spec = self._spec(table)
        by = None if index is None else rules.index_of(spec, index)
        usable = rules.bounds(spec, by, partition, low, high, limit)
        if usable is None:
            return Rows([], False)
        request = self._range(spec, by, partition, *usable) | {"ScanIndexForward": not newest}
        if limit is not None:
            request["Limit"] = limit
        items: list[Item] = []
        while True:
            answer = self._call("query", [table], writes=False, **request)
            items += map(item_from_wire, answer["Items"])
            last = answer.get("LastEvaluatedKey")
            if limit is not None or not last:
                return Rows([_keys_only(spec, by, item) for item in items] if by else items, bool(last))
            request["ExclusiveStartKey"] = last

    def _range(self, spec: TableSpec, by: IndexSpec | None, partition: str, low: str | None, high: str | None) -> dict[str, Any]:
        names = {"#p": by.hash if by else "pk"}
        values = {":p": partition}
        text = "#p = :p"
        if low is not None or high is not None:
            names["#o"] = by.range if by else "sk"
            values |= {name: bound for name, bound in ((":l", low), (":h", high)) if bound is not None}
            text += " AND " + ("#o BETWEEN :l AND :h" if len(values) == 3 else "#o >= :l" if low is not None else "#o <= :h")
        return {
            "TableName": self._prefix + spec.name,
            "KeyConditionExpression": text,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": {name: to_wire(value) for name, value in values.items()},
            **({"IndexName": by.name} if by else {"ConsistentRead": True}),
        }

    def scan(self, table: str, after: Key | None = None, limit: int = 200) -> Rows:
        """A page of a whole table."""
        request: dict[str, Any] = {"TableName": self._prefix + self._spec(table).name, "Limit": limit, "ConsistentRead": True}
        if after is not None:
            request["ExclusiveStartKey"] = {name: to_wire(part) for name, part in after.attributes().items()}
        answer = self._call("scan", [table], writes=False, **request)
        return Rows([item_from_wire(item) for item in answer["Items"]], "LastEvaluatedKey" in answer)

    # Writes -----------------------------------------------------------------------------------------------------------

    def write(self, write: Write) -> Item | None:
        """One write; the new item of an Update, else None."""
        request, _ = self._request(write)
        table = rules.action_table(write)
        if isinstance(write, Update):
            answer = self._call("update_item", [table], **request, ReturnValues="ALL_NEW")
            return item_from_wire(answer["Attributes"])
        self._call("put_item" if isinstance(write, Put) else "delete_item", [table], **request)
        return None

    def transact(self, actions: Sequence[Action]) -> None:
        """All of these, or none. botocore adds the request token, so its own repetitions have no second effect."""
        tables = [rules.action_table(action) for action in actions]
        rules.check_transaction([rules.action_key(self._spec(rules.action_table(one)), one) for one in actions])
        requests, total = [], 0
        for action in actions:
            request, size = self._request(action)
            requests.append({"ConditionCheck" if isinstance(action, Check) else type(action).__name__: request})
            total += size
        rules.check_total(total)
        self._call("transact_write_items", tables, TransactItems=requests)

    def _request(self, action: Action) -> tuple[dict[str, Any], int]:
        """The request of one action and the bytes that it sends; refuses what DynamoDB refuses."""
        spec = self._spec(rules.action_table(action))
        place, holders = self._place(rules.action_key(spec, action)), Placeholders()
        request: dict[str, Any] = {"TableName": place["TableName"]}
        size = 0
        if isinstance(action, Put):
            item = rules.normal(action.item, spec.name)
            size = _check_item(spec, item)
            request["Item"] = item_to_wire(item)
        else:
            request["Key"] = place["Key"]
        if isinstance(action, Update):
            request["UpdateExpression"] = self._update(spec, action, holders)
        return request | _condition(action.condition, holders), size + rules.item_bytes(holders.values)

    def _update(self, spec: TableSpec, update: Update, holders: Placeholders) -> str:
        rules.check_update(update)
        _check_index_values(spec, update)
        text = update_text(update, holders)
        holders.values.update({name: rules.normal(value, spec.name, 1) for name, value in holders.values.items()})
        return text

    # The client -------------------------------------------------------------------------------------------------------

    def _spec(self, table: str) -> TableSpec:
        spec = self._specs.get(table)
        if spec is None:
            raise BadRequest(f"there is no table {table}")
        return spec

    def _place(self, key: Key) -> dict[str, Any]:
        rules.check_key(self._spec(key.table), key)
        return {"TableName": self._prefix + key.table, "Key": item_to_wire(key.attributes())}

    def _call(self, operation: str, tables: Sequence[str], *, writes: bool = True, **request: Any) -> Any:
        try:
            return getattr(self.client, operation)(**request)
        except ClientError as error:
            told = failure(dict(error.response), tables, writes=writes)
            if throttled(dict(error.response)):
                measure("StoreThrottled")
            cause: Exception = error
        except BotoCoreError as error:
            told, cause = unanswered(operation, error), error
        if isinstance(told, StoreRefused):
            measure("StoreRefused", code=told.code)
        raise told from cause


def _condition(condition: Condition | None, holders: Placeholders) -> dict[str, Any]:
    """The rest of a write's request: condition, names and values; the item in the way comes back with the refusal."""
    made: dict[str, Any] = {}
    if condition is not None:
        made = {"ConditionExpression": condition_text(condition, holders), **_ON_FAILURE}
    if holders.names:
        made["ExpressionAttributeNames"] = holders.names
    if holders.values:
        made["ExpressionAttributeValues"] = item_to_wire(holders.values)
    return made


def _check_item(spec: TableSpec, item: Item) -> int:
    for index in spec.indexes:
        rules.index_entry(spec, index, item)
    size = rules.item_bytes(item)
    rules.check_size(spec, size)
    return size


def _check_index_values(spec: TableSpec, update: Update) -> None:
    """Refuse an index key that DynamoDB would refuse (moto takes it)."""
    for index in spec.indexes:
        for name, most in ((index.hash, MAX_PARTITION_KEY_BYTES), (index.range, MAX_SORT_KEY_BYTES)):
            if (name,) in update.set:
                rules.key_part(update.set[(name,)], most, f"{spec.name}.{name}")


def _keys_only(spec: TableSpec, by: IndexSpec, item: Item) -> Item:
    names = (by.hash, by.range, "pk", "sk") if spec.sorted else (by.hash, by.range, "pk")
    return {name: item[name] for name in names}
