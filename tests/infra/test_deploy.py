"""Deploying and taking down, on a made-up AWS: what is asked, what is refused, and what is left."""

from __future__ import annotations

import io
import json
import zipfile
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from chalicelib.aws.models import ensure_tables, models
from chalicelib.aws.wire import item_to_wire
from chalicelib.data.building import STATES
from chalicelib.data.tables import all_specs
from infra import deploy as deploying
from infra import destroy as destroying
from infra.account import Account, NotDone, account, upload
from infra.deployed import Deployed
from infra.indexes import changes, declared, plan
from infra.leftovers import layers_tidied
from infra.page import publish
from tests.data.mutants import swapped

BUCKET = "concave-deployments-123456789012-us-east-1"


def _table(name: str, *indexes: str, kept: bool = True) -> dict[str, Any]:
    attributes = ["pk", *(f"{index}#p" for index in indexes)]
    made: dict[str, Any] = {
        "TableName": f"concave-dev-{name}",
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": each, "AttributeType": "S"} for each in attributes],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "Tags": [{"Key": "concave:stage", "Value": "dev"}],
    }
    if indexes:
        made["GlobalSecondaryIndexes"] = [
            {
                "IndexName": index,
                "KeySchema": [{"AttributeName": f"{index}#p", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
            for index in indexes
        ]
    return {"Type": "AWS::DynamoDB::Table", "DeletionPolicy": "Retain" if kept else "Delete", "Properties": made}


def _template(**resources: Any) -> dict[str, Any]:
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Parameters": {
            "AuthIssuer": {"Type": "String", "Default": ""},
            "LogRetentionDays": {"Type": "String", "Default": "30"},
        },
        "Resources": {"TableNotes": _table("notes"), **resources},
        "Outputs": {"Url": {"Value": {"Fn::Sub": "https://edge.example/${AuthIssuer}"}}},
    }


def _packaged(folder: Path, template: dict[str, Any]) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "template.json").write_text(json.dumps(template))
    return folder


def _deploy(where: Account, folder: Path, said: list[str] | None = None, **env: str) -> str:
    return deploying.deploy(where, "dev", folder, env, (said if said is not None else []).append, poll_s=0.01)


def test_without_credentials_it_says_what_to_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with pytest.raises(NotDone, match="no credentials: `aws configure`, or set AWS_PROFILE"):
        account()


def _parameters(where: Account) -> dict[str, str]:
    (stack,) = where.client("cloudformation").describe_stacks(StackName="concave-dev")["Stacks"]
    return {each["ParameterKey"]: each["ParameterValue"] for each in stack["Parameters"]}


def test_a_first_deployment_and_later_ones_keep_the_parameters_that_were_given_once(where: Account, tmp_path: Path) -> None:
    folder = _packaged(tmp_path / "dev", _template())
    _deploy(where, folder, AUTH_ISSUER="https://one.example")
    assert where.client("dynamodb").describe_table(TableName="concave-dev-notes")["Table"]["TableStatus"] == "ACTIVE"
    assert _parameters(where)["AuthIssuer"] == "https://one.example"
    stack = deploying.stack_of(where.client("cloudformation"), "concave-dev")
    later = deploying._parameters(_template(), stack, {"LOG_RETENTION_DAYS": "7"})
    assert later == [
        {"ParameterKey": "AuthIssuer", "UsePreviousValue": True},
        {"ParameterKey": "LogRetentionDays", "ParameterValue": "7"},
    ]
    _packaged(folder, _template(TableMore=_table("more")))
    _deploy(where, folder, AUTH_ISSUER="https://two.example", LOG_RETENTION_DAYS="7")
    assert _parameters(where)["AuthIssuer"] == "https://two.example"
    assert "concave-dev-more" in where.client("dynamodb").list_tables()["TableNames"]


@pytest.mark.parametrize("step", [True, False])
def test_alarms_that_tell_nobody_are_said_at_a_deployment(where: Account, tmp_path: Path, step: bool) -> None:
    template = _template()
    template["Parameters"]["AlarmEmail"] = {"Type": "String", "Default": ""}
    folder, said = _packaged(tmp_path / "dev", template), list[str]()
    with nullcontext() if step else swapped((deploying, "_warn", lambda stack, tell: None)):
        _deploy(where, folder, said)
    assert any("alarms tell nobody" in line for line in said) is step
    _packaged(folder, {**template, "Description": "another"})
    _deploy(where, folder, said := list[str](), ALARM_EMAIL="you@example.com")
    assert not any("alarms" in line for line in said)


def test_the_bundles_are_sent_under_names_of_their_content_and_the_template_names_them(where: Account, tmp_path: Path) -> None:
    folder = _packaged(
        tmp_path / "dev", _template(Code={"Type": "AWS::Serverless::Function", "Properties": {"CodeUri": "./deployment.zip"}})
    )
    (folder / "deployment.zip").write_bytes(b"code")
    template = json.loads((folder / "template.json").read_text())
    deploying._uploaded(where, "dev", folder, template)
    sent = template["Resources"]["Code"]["Properties"]["CodeUri"]
    assert where.client("s3").get_object(**sent)["Body"].read() == b"code"
    assert upload(where, "dev", folder / "deployment.zip") == (sent["Bucket"], sent["Key"])
    closed = where.client("s3").get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"]
    assert set(closed.values()) == {True}


def test_several_changes_of_indexes_are_made_one_per_table_and_step(where: Account, tmp_path: Path) -> None:
    first = _template(TableNotes=_table("notes", "by_old"), TableTasks=_table("tasks"))
    _deploy(where, _packaged(tmp_path / "1", first))
    then = _template(TableNotes=_table("notes", "by_owner", "by_rank"), TableTasks=_table("tasks", "by_due"))
    said: list[str] = []
    _deploy(where, _packaged(tmp_path / "2", then), said)
    assert [line for line in said if line.startswith("step")] == [
        "step 1 of 3: concave-dev-notes: -by_old, concave-dev-tasks: +by_due",
        "step 2 of 3: concave-dev-notes: +by_owner",
        "step 3 of 3: concave-dev-notes: +by_rank",
    ]
    # moto's CloudFormation leaves the indexes of a table as they are, so that is shown by what it was given.
    sets = where.client("cloudformation").list_change_sets(StackName="concave-dev")["Summaries"]
    assert sorted(each["ChangeSetName"][-1] for each in sets) == ["1", "1", "2", "3"]
    assert json.loads((tmp_path / "2" / "deployed.json").read_text())["Resources"] == then["Resources"]


def test_each_step_of_a_plan_changes_one_index_a_table_and_defines_the_attributes_that_it_uses(where: Account) -> None:
    client = where.client("dynamodb")
    client.create_table(**_table("notes", "by_old", "by_kept")["Properties"])
    steps = plan(client, _template(TableNotes=_table("notes", "by_kept", "by_owner", "by_rank")), new=False)
    tables = [step.template["Resources"]["TableNotes"]["Properties"] for step in steps]
    assert [sorted(declared(table)) for table in tables] == [
        ["by_kept"],
        ["by_kept", "by_owner"],
        ["by_kept", "by_owner", "by_rank"],
    ]
    for table in tables:
        used = {part["AttributeName"] for each in table["GlobalSecondaryIndexes"] for part in each["KeySchema"]} | {"pk"}
        assert {each["AttributeName"] for each in table["AttributeDefinitions"]} == used
    assert tables[-1] == _table("notes", "by_kept", "by_owner", "by_rank")["Properties"]


def test_an_index_that_becomes_another_one_counts_twice() -> None:
    one = {"by_owner": {"keys": [("HASH", "a")], "projection": "KEYS_ONLY"}}
    other = {"by_owner": {"keys": [("HASH", "b")], "projection": "KEYS_ONLY"}}
    assert changes(one, other) == ["-by_owner", "+by_owner"]
    assert changes(one, one) == []


def test_a_deployment_that_would_replace_a_table_is_refused() -> None:
    class Client:
        def __init__(self) -> None:
            self.deleted: list[str] = []

        def get_paginator(self, _: str) -> Client:
            return self

        def paginate(self, StackName: str, ChangeSetName: str) -> list[Any]:
            change = {"ResourceType": "AWS::DynamoDB::Table", "LogicalResourceId": "TableNotes", "Replacement": "True"}
            return [{"Changes": [{"ResourceChange": change}]}]

        def delete_change_set(self, StackName: str, ChangeSetName: str) -> None:
            self.deleted.append(ChangeSetName)

    client = Client()
    with pytest.raises(NotDone, match="replace TableNotes by empty tables"):
        deploying._refuse_replacements(client, "concave-dev", "change")
    assert client.deleted == ["change"]


def test_a_refused_template_and_an_unchanged_one_are_told_apart() -> None:
    class Client:
        def __init__(self, reason: str) -> None:
            self.reason = reason

        def describe_change_set(self, StackName: str, ChangeSetName: str) -> Any:
            return {"Status": "FAILED", "StatusReason": self.reason}

        def delete_change_set(self, StackName: str, ChangeSetName: str) -> None:
            """Gone."""

    same = "The submitted information didn't contain changes. Submit different information to create a change set."
    assert deploying._ready(Client(same), "concave-dev", "change", 0) is False
    with pytest.raises(NotDone, match="CloudFormation refuses the template: Unresolved resource"):
        deploying._ready(Client("Unresolved resource dependencies"), "concave-dev", "change", 0)


def test_a_stage_with_data_is_not_taken_down(where: Account, tmp_path: Path) -> None:
    _deploy(where, _packaged(tmp_path / "dev", _template()))
    where.client("dynamodb").put_item(TableName="concave-dev-notes", Item={"pk": {"S": "1"}})
    with pytest.raises(NotDone, match="holds data in concave-dev-notes"):
        destroying.destroy(where, "dev", "refuse", [].append, 0.01)
    assert (
        where.client("cloudformation").describe_stacks(StackName="concave-dev")["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE"
    )


def test_a_stage_whose_tables_are_empty_goes_without_a_question(where: Account, tmp_path: Path) -> None:
    _deploy(where, _packaged(tmp_path / "dev", _template()))
    assert destroying.destroy(where, "dev", "refuse", [].append, 0.01) == []
    assert where.client("dynamodb").list_tables()["TableNames"] == []


def test_what_a_stage_writes_about_itself_is_no_data(where: Account, tmp_path: Path) -> None:
    """Every stage has its index states, and a canary since its first minute; nobody would miss them."""
    client = where.client("dynamodb")
    itself = {"pk": {"S": STATES.pk}}
    _deploy(where, _packaged(tmp_path / "dev", _template(TableStates=_table("indexStates"))))
    client.put_item(TableName="concave-dev-indexStates", Item=itself)
    client.put_item(TableName="concave-dev-notes", Item={"pk": {"S": "acme|notes|1"}})
    with pytest.raises(NotDone, match=r"holds data in concave-dev-notes\. To take"):
        destroying.destroy(where, "dev", "refuse", [].append, 0.01)
    client.delete_item(TableName="concave-dev-notes", Key={"pk": {"S": "acme|notes|1"}})
    assert destroying.destroy(where, "dev", "refuse", [].append, 0.01) == []
    assert client.list_tables()["TableNames"] == []


def test_data_that_is_kept_keeps_what_the_stage_knows_of_it(where: Account, tmp_path: Path) -> None:
    client = where.client("dynamodb")
    _deploy(where, _packaged(tmp_path / "dev", _template(TableStates=_table("indexStates"), TableMore=_table("more"))))
    client.put_item(TableName="concave-dev-indexStates", Item={"pk": {"S": STATES.pk}})
    client.put_item(TableName="concave-dev-notes", Item={"pk": {"S": "acme|notes|1"}})
    left = destroying.destroy(where, "dev", "keep", [].append, 0.01)
    assert sorted(left) == ["concave-dev-indexStates", "concave-dev-notes"]
    with pytest.raises(NotDone, match="tables of an earlier one"):
        _deploy(where, tmp_path / "dev")


def test_data_is_erased_only_when_told_and_another_stage_is_never_touched(where: Account, tmp_path: Path) -> None:
    client = where.client("dynamodb")
    _deploy(where, _packaged(tmp_path / "dev", _template()))
    client.put_item(TableName="concave-dev-notes", Item={"pk": {"S": "1"}})
    other = _table("2-notes")["Properties"] | {"Tags": [{"Key": "concave:stage", "Value": "dev-2"}]}
    client.create_table(**other)
    assert destroying.kept_tables(client, "dev") == ["concave-dev-notes"]
    destroying.destroy(where, "dev", "erase", [].append, 0.01)
    assert client.list_tables()["TableNames"] == ["concave-dev-2-notes"]


def test_the_name_behind_erase_data_must_be_the_stage(where: Account, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setenv("STAGE", "prod")
    assert destroying.main(["--erase-data", "dev"]) == 1
    assert "--erase-data names dev, but STAGE is prod: nothing was touched" in capsys.readouterr().err


def test_a_first_deployment_over_tables_that_were_kept_says_so(where: Account) -> None:
    where.client("dynamodb").create_table(**_table("notes")["Properties"])
    with pytest.raises(NotDone, match="tables of an earlier one: concave-dev-notes"):
        plan(where.client("dynamodb"), _template(), new=True)


def test_old_versions_of_the_libraries_go_and_three_stay(where: Account) -> None:
    client, told = where.client("lambda"), list[str]()

    def publish_layer(name: str) -> None:
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            archive.writestr("library.py", name)
        client.publish_layer_version(LayerName=name, Content={"ZipFile": content.getvalue()})

    for _ in range(5):
        publish_layer("concave-dev-managed-layer")
    publish_layer("another")
    layer = {"Type": "AWS::Serverless::LayerVersion", "Properties": {"LayerName": "concave-dev-managed-layer"}}
    template = {"Resources": {"Layer": layer}}
    assert layers_tidied(client, template, told.append) == 2
    left = client.list_layer_versions(LayerName="concave-dev-managed-layer")["LayerVersions"]
    assert sorted(each["Version"] for each in left) == [3, 4, 5]
    assert len(client.list_layer_versions(LayerName="another")["LayerVersions"]) == 1
    assert (layers_tidied(client, template, told.append), len(told)) == (0, 1)


def test_the_page_goes_up_with_its_assets_first_and_is_asked_for_every_time(where: Account, tmp_path: Path) -> None:
    client = where.client("s3")
    client.create_bucket(Bucket="page")
    assert publish(client, tmp_path / "web" / "dist", "page", [].append) == 0
    dist = tmp_path / "dist"
    (dist / "assets").mkdir(parents=True)
    (dist / "index.html").write_text("<!doctype html>")
    (dist / "assets" / "index-1.js").write_text("1")
    assert publish(client, dist, "page", [].append) == 2
    page = client.head_object(Bucket="page", Key="index.html")
    script = client.head_object(Bucket="page", Key="assets/index-1.js")
    assert (page["ContentType"], page["CacheControl"]) == ("text/html", "no-cache")
    assert "immutable" in script["CacheControl"]
    assert "javascript" in script["ContentType"]


def test_an_index_that_old_documents_are_not_in_is_built_by_the_deployment(where: Account) -> None:
    data = Deployed("dev", ("chalicelib.functions", "tests.apps.permitted"), "us-east-1")
    client = where.client("dynamodb")
    assert data.before([].append) == []  # nothing is there yet: the first deployment
    ensure_tables(client, models(all_specs(), "concave-dev-").values())
    data.after([].append)
    old = {"pk": "acme|permittedThings|t1", "_id": "t1", "_creationTime": 1, "_v": 1, "_c": "c", "owner": "ann", "code": "c1"}
    client.put_item(TableName="concave-dev-permittedThings", Item=item_to_wire(old))
    client.delete_item(
        TableName="concave-dev-indexStates", Key={"pk": {"S": STATES.pk}}
    )  # as if the indexes were new to the store
    assert {"permittedThings.by_owner", "permittedThings.by_code"} <= set(data.before([].append))
    said: list[str] = []
    data.after(said.append)
    data.close()
    assert "permittedThings.by_owner: 1 documents, ready" in said
    stored = client.get_item(TableName="concave-dev-permittedThings", Key={"pk": {"S": old["pk"]}})["Item"]
    assert stored["by_owner#p"]["S"].startswith("acme|permittedThings.by_owner|")
    assert data.before([].append) == []


def test_a_changed_table_is_compared_with_its_documents_before_anything_is_changed(where: Account) -> None:
    data = Deployed("dev", ("chalicelib.functions", "tests.apps.permitted"), "us-east-1")
    client = where.client("dynamodb")
    data.check([].append)  # nothing is there yet
    ensure_tables(client, models(all_specs(), "concave-dev-").values())
    old = {"pk": "acme|permittedThings|t1", "_id": "t1", "_creationTime": 1, "_v": 1, "_c": "c", "owner": 5, "code": "c1"}
    client.put_item(TableName="concave-dev-permittedThings", Item=item_to_wire(old))
    said: list[str] = []
    with pytest.raises(NotDone, match="permittedThings 't1' of acme at owner: expected `str`, got `int`"):
        data.check(said.append)
    assert "permittedThings" in said[0]
    client.put_item(TableName="concave-dev-permittedThings", Item=item_to_wire({**old, "owner": "ann"}))
    data.check(said.append)
    data.after([].append)
    said.clear()
    data.check(said.append)
    assert said == []  # the tables are as they were: nothing is looked through again
    data.close()
