"""Every table of the schema, as CloudFormation: the same declarations that the store and the laptop use."""

from __future__ import annotations

from chalicelib.aws.models import TTL_ATTRIBUTE, create_input, has_ttl, model_of
from chalicelib.data.store import TableSpec
from infra.template.parts import Deployment, Resource, Resources, camel

OF_CONNECTIONS = ("mailboxes", "subscriptions", "inbox", "watches")
"""State of open sockets: worth nothing once they are closed, so neither backed up nor kept."""


def table_id(spec_name: str) -> str:
    """The logical id of a table."""
    return f"Table{camel(spec_name)}"


def kept(spec: TableSpec) -> bool:
    """Whether a table's items outlive the stack."""
    return spec.name not in OF_CONNECTIONS


def tables(deployment: Deployment) -> Resources:
    """One resource per table."""
    return {table_id(spec.name): _table(deployment, spec) for spec in deployment.specs}


def _table(deployment: Deployment, spec: TableSpec) -> Resource:
    model = model_of(spec, deployment.name(""))
    properties = create_input(model)
    stream = properties.pop("StreamSpecification", None)
    if stream is not None:
        properties["StreamSpecification"] = {"StreamViewType": stream["StreamViewType"]}  # there is no StreamEnabled here
    if has_ttl(model):
        properties["TimeToLiveSpecification"] = {"AttributeName": TTL_ATTRIBUTE, "Enabled": True}
    properties["PointInTimeRecoverySpecification"] = {"PointInTimeRecoveryEnabled": kept(spec)}
    properties["Tags"] = [{"Key": "concave:stage", "Value": deployment.stage}]
    return {
        "Type": "AWS::DynamoDB::Table",
        # "ExceptOnCreate": a first deployment that fails must not leave tables behind that stop the second.
        "DeletionPolicy": "RetainExceptOnCreate" if kept(spec) else "Delete",
        "UpdateReplacePolicy": "Retain" if kept(spec) else "Delete",
        "Properties": properties,
    }
