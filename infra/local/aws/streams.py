"""Change records in the shape that Lambda gets them from DynamoDB Streams, from both local stores.

`lambda_record` dresses a record of the SQLite store; `DynamoStreams` reads the streams of a DynamoDB engine on this machine
(Dynoxide, moto) shard by shard, as the event source mapping does in the cloud. An engine has no way to call us, so its
reader is asked again and again by the pump; the SQLite store wakes its pump itself (`SqliteStore.wait`, `.listen`).
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from chalicelib.aws.wire import item_to_wire
from chalicelib.data.errors import StoreFailed
from chalicelib.data.store import Change, TableSpec

Record = dict[str, Any]
Start = Literal["TRIM_HORIZON", "LATEST"]
_ACCOUNT = "000000000000"
_DISCOVER_EVERY = 100
"""Polls between two looks for new shards; engines on a laptop split theirs rarely or never."""


def lambda_record(change: Change, region: str = "us-east-1") -> Record:
    """A change of the SQLite store as one entry of a Lambda event's `Records` (new image only, as our tables emit it)."""
    item = change.new or change.old or {}
    images: dict[str, Any] = {
        "Keys": item_to_wire({name: item[name] for name in ("pk", "sk") if name in item}),
        "SequenceNumber": change.sequence,
        "StreamViewType": "NEW_IMAGE",
    }
    if change.new is not None:
        images["NewImage"] = _plain(item_to_wire(change.new))
    return {
        "eventID": change.sequence,
        "eventName": "REMOVE" if change.new is None else "INSERT" if change.old is None else "MODIFY",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": region,
        "dynamodb": images,
        "eventSourceARN": f"arn:aws:dynamodb:{region}:{_ACCOUNT}:table/{change.table}/stream/local",
    }


class _IteratorLost(Exception):
    """The way into a shard was kept too long."""


@dataclass
class _Shard:
    """One shard and how far it is read. `iterator` None: to be made, behind `after` when that is known."""

    stream: str
    name: str
    start: Start
    after: str | None = None
    iterator: str | None = None
    ended: bool = False


class DynamoStreams:
    """The streams of a local DynamoDB engine.

    Args:
        specs: the tables; only those with `stream=True` are read.
        prefix: what goes before every table's name.
        endpoint_url: the engine.
        region: as for the store.
        start: where to begin in shards that are there now; shards that appear later are read from their beginning.
        positions: what `positions()` said before a restart; known shards go on behind that.

    Every method raises `StoreFailed` when the engine does not answer.
    """

    def __init__(
        self,
        specs: Sequence[TableSpec],
        prefix: str = "",
        endpoint_url: str | None = None,
        region: str = "us-east-1",
        start: Start = "LATEST",
        positions: Mapping[str, str] | None = None,
    ) -> None:
        import boto3
        from botocore.config import Config

        # Dynoxide's shard ids are shorter than botocore's model allows, so the client must not check its arguments.
        config = Config(parameter_validation=False, connect_timeout=1, read_timeout=10, retries={"total_max_attempts": 2})
        made_up = {"aws_access_key_id": "local", "aws_secret_access_key": "local"} if endpoint_url else {}
        where: dict[str, Any] = {"region_name": region, "endpoint_url": endpoint_url, "config": config, **made_up}
        self._client: Any = boto3.client("dynamodbstreams", **where)
        self._tables = [prefix + spec.name for spec in specs if spec.stream]
        self._region = region
        self._shards: dict[str, _Shard] = {}
        self._polls = 0
        self._known = dict(positions or {})
        self._discover(start)
        for shard in self._shards.values():
            self._open(shard)

    def close(self) -> None:
        """Close the sockets."""
        self._client.close()

    def poll(self, limit: int = 100) -> list[list[Record]]:
        """What is new, one list per shard that has something, in the shard's order; at most `limit` records of each."""
        self._polls += 1
        if self._polls % _DISCOVER_EVERY == 0 or any(shard.ended for shard in self._shards.values()):
            self._discover("TRIM_HORIZON")
        batches = [self._read(shard, limit) for shard in self._shards.values() if not shard.ended]
        return [batch for batch in batches if batch]

    def positions(self) -> dict[str, str]:
        """The last record read of every shard, for `positions` of the next reader."""
        return {name: shard.after for name, shard in self._shards.items() if shard.after is not None}

    def _discover(self, start: Start) -> None:
        for table in self._tables:
            for stream in self._ask("list_streams", TableName=table)["Streams"]:
                arn = stream["StreamArn"]
                for shard in self._ask("describe_stream", StreamArn=arn)["StreamDescription"]["Shards"]:
                    name = f"{arn} {shard['ShardId']}"
                    self._shards.setdefault(name, _Shard(arn, shard["ShardId"], start, self._known.get(name)))

    def _open(self, shard: _Shard) -> str | None:
        where: dict[str, Any] = {"ShardIteratorType": shard.start}
        if shard.after is not None:
            where = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": shard.after}
        answer = self._ask("get_shard_iterator", StreamArn=shard.stream, ShardId=shard.name, **where)
        shard.iterator = answer.get("ShardIterator")
        return shard.iterator

    def _read(self, shard: _Shard, limit: int) -> list[Record]:
        try:
            answer = self._ask("get_records", ShardIterator=shard.iterator or self._open(shard), Limit=limit)
        except _IteratorLost:
            shard.iterator = None  # the next poll opens it again behind the last record read
            return []
        shard.iterator = answer.get("NextShardIterator")
        shard.ended = shard.iterator is None
        records = answer["Records"]
        if records:
            shard.after = records[-1]["dynamodb"]["SequenceNumber"]
        return [_dressed(record, shard.stream, self._region) for record in records]

    def _ask(self, operation: str, **request: Any) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return getattr(self._client, operation)(**request)
        except ClientError as error:
            if error.response["Error"]["Code"] in ("ExpiredIteratorException", "TrimmedDataAccessException"):
                raise _IteratorLost from error
            raise StoreFailed(f"the engine refused {operation}: {error}") from error
        except BotoCoreError as error:
            raise StoreFailed(f"the engine did not answer {operation}: {error}") from error


def _dressed(record: Record, stream: str, region: str) -> Record:
    return {**_plain(record), "eventSourceARN": stream, "eventSource": "aws:dynamodb", "awsRegion": region}


def _plain(value: Any) -> Any:
    """The value as it stands in a Lambda event, which is JSON: bytes as base64, times as epoch seconds."""
    if isinstance(value, dict):
        return {name: _plain(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    if isinstance(value, bytes):
        return b64encode(value).decode()
    return value.timestamp() if isinstance(value, datetime) else value


def event(records: Iterable[Record]) -> dict[str, Any]:
    """A Lambda event with these records."""
    return {"Records": list(records)}
