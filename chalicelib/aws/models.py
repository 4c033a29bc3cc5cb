"""Every TableSpec as a pynamodb Model: the one place that says what a table is in AWS.

`create_input` gives CreateTable's arguments, which are also the properties of the CloudFormation resource. Tables are on
demand; indexes project keys only; a streamed table emits new images (the commit row and the chunk *are* the event, so the
old image would only double the bytes).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pynamodb.attributes import TTLAttribute, UnicodeAttribute
from pynamodb.constants import PAY_PER_REQUEST_BILLING_MODE, STREAM_NEW_IMAGE
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection
from pynamodb.models import Model

from chalicelib.aws.rules import check_specs
from chalicelib.data.store import IndexSpec, TableSpec

TTL_ATTRIBUTE = "ttl"


def model_of(spec: TableSpec, prefix: str = "", *, region: str = "us-east-1", endpoint_url: str | None = None) -> type[Model]:
    """The pynamodb Model of a table; its name is `prefix` + the spec's name."""
    meta: dict[str, Any] = {
        "table_name": prefix + spec.name,
        "region": region,
        "host": endpoint_url,
        "billing_mode": PAY_PER_REQUEST_BILLING_MODE,
        "connect_timeout_seconds": 1,
        "read_timeout_seconds": 3,
        "max_pool_connections": 50,
    }
    if spec.stream:
        meta["stream_view_type"] = STREAM_NEW_IMAGE
    body: dict[str, Any] = {"__doc__": f"Items of {spec.name}.", "Meta": type("Meta", (), meta)}
    body["pk"] = UnicodeAttribute(hash_key=True)
    if spec.sorted:
        body["sk"] = UnicodeAttribute(range_key=True)
    if spec.ttl:
        body[TTL_ATTRIBUTE] = TTLAttribute(attr_name=TTL_ATTRIBUTE, null=True)
    for position, index in enumerate(spec.indexes):
        body[f"index_{position}"] = _index(index)
    return type(_class_name(spec.name), (Model,), body)


def _index(spec: IndexSpec) -> GlobalSecondaryIndex[Any]:
    body = {
        "Meta": type("Meta", (), {"index_name": spec.name, "projection": KeysOnlyProjection()}),
        "hash_part": UnicodeAttribute(hash_key=True, attr_name=spec.hash),
        "range_part": UnicodeAttribute(range_key=True, attr_name=spec.range),
    }
    made: GlobalSecondaryIndex[Any] = type(_class_name(spec.name), (GlobalSecondaryIndex,), body)()
    return made


def _class_name(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in name.replace("-", "_").replace(".", "_").split("_"))


def models(specs: Iterable[TableSpec], prefix: str = "", **where: Any) -> dict[str, type[Model]]:
    """The Models of all tables by the spec's name; `where` as in `model_of`."""
    return {name: model_of(spec, prefix, **where) for name, spec in check_specs(specs).items()}


def create_input(model: type[Model]) -> dict[str, Any]:
    """CreateTable's arguments for a Model (CloudFormation's property names are the same)."""
    schema = model._get_schema()
    meta: Any = model.Meta
    made: dict[str, Any] = {
        "TableName": meta.table_name,
        "BillingMode": meta.billing_mode,
        "AttributeDefinitions": schema["attribute_definitions"],
        "KeySchema": _hash_first(schema["key_schema"]),
    }
    if schema["global_secondary_indexes"]:
        made["GlobalSecondaryIndexes"] = [
            {
                "IndexName": index["index_name"],
                "KeySchema": _hash_first(index["key_schema"]),
                "Projection": index["projection"],
            }
            for index in schema["global_secondary_indexes"]
        ]
    if hasattr(meta, "stream_view_type"):
        made["StreamSpecification"] = {"StreamEnabled": True, "StreamViewType": meta.stream_view_type}
    return made


def _hash_first(schema: Iterable[Any]) -> list[dict[str, str]]:
    return sorted(schema, key=lambda part: str(part["KeyType"]))


def has_ttl(model: type[Model]) -> bool:
    """Whether items of this table expire."""
    return any(isinstance(attribute, TTLAttribute) for attribute in model.get_attributes().values())


def ensure_tables(client: Any, tables: Iterable[type[Model]]) -> list[str]:
    """Make the tables and indexes that an engine lacks, and wait until they can be used; returns the names of new tables.

    For engines on a laptop and for tests; in the cloud the template owns the tables.
    """
    there: set[str] = set()
    for page in client.get_paginator("list_tables").paginate():
        there.update(page["TableNames"])
    made = []
    for model in tables:
        wanted = create_input(model)
        name = wanted["TableName"]
        if name in there:
            _add_indexes(client, wanted)
            continue
        client.create_table(**wanted)
        _until_active(client, name)
        if has_ttl(model):
            client.update_time_to_live(TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": TTL_ATTRIBUTE})
        made.append(name)
    return made


def _add_indexes(client: Any, wanted: dict[str, Any]) -> None:
    """DynamoDB makes one new index at a time and fills it from the items."""
    table = client.describe_table(TableName=wanted["TableName"])["Table"]
    known = {index["IndexName"] for index in table.get("GlobalSecondaryIndexes") or ()}
    for index in wanted.get("GlobalSecondaryIndexes", ()):
        if index["IndexName"] not in known:
            client.update_table(
                TableName=wanted["TableName"],
                AttributeDefinitions=wanted["AttributeDefinitions"],
                GlobalSecondaryIndexUpdates=[{"Create": index}],
            )
            _until_active(client, wanted["TableName"])


def _until_active(client: Any, name: str) -> None:
    client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 120})
