"""The packaged template: lint-clean, and as the schema says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chalicelib.data.store import TableSpec
from chalicelib.data.tables import SYSTEM_SPECS, TABLES, spec
from chalicelib.schema import ChatChunk, Conversation
from infra.template.queues import LATER
from infra.template.tables import OF_CONNECTIONS, table_id
from infra.template.whole import write

Template = dict[str, Any]

DOCUMENTED = {
    "conversations": ["by_conversationId", "by_type", "by_user", "by_agent", "by_agent_user", "by_created"],
    "chatChunks": ["by_message_and_sequence", "by_session_and_sequence"],
}
"""What is promised by name, in this order: the queries of a conversation list, and a reply's chunks in sequence."""


def _of_type(template: Template, kind: str) -> dict[str, dict[str, Any]]:
    return {name: each for name, each in template["Resources"].items() if each["Type"] == kind}


def _table(template: Template, name: str) -> dict[str, Any]:
    found: dict[str, Any] = template["Resources"][table_id(name)]
    return found


def test_cfn_lint_finds_nothing_in_the_template(packaged: Path) -> None:
    lint = Path(sys.executable).parent / "cfn-lint"
    done = subprocess.run([lint, packaged / "template.json"], capture_output=True, text=True, timeout=100, check=False)
    assert (done.stdout, done.returncode) == ("", 0)


def _indexes(template: Template, name: str) -> set[str]:
    return {index["IndexName"] for index in _table(template, name)["Properties"].get("GlobalSecondaryIndexes", ())}


def test_the_documented_indexes_have_their_documented_names(template: Template) -> None:
    for table, names in DOCUMENTED.items():
        declared = list(TABLES[table].indexes)
        assert declared[: len(names)] == names  # the promised ones come first
        assert _indexes(template, table) == set(declared)


def test_the_template_has_the_indexes_that_are_declared_and_no_others(template: Template) -> None:
    made = {each.name: {index.name for index in each.indexes} for each in [*SYSTEM_SPECS, *map(spec, TABLES.values())]}
    tables = {each["Properties"]["TableName"] for each in _of_type(template, "AWS::DynamoDB::Table").values()}
    for name, indexes in made.items():
        if f"concave-dev-{name}" in tables:  # other tests declare tables too
            assert _indexes(template, name) == indexes, name


def test_the_documented_indexes_have_their_documented_fields() -> None:
    fields = {
        name: (getattr(Conversation, name).partition, getattr(Conversation, name).order) for name in DOCUMENTED["conversations"]
    }
    assert fields == {
        "by_conversationId": (("conversationId",), ()),
        "by_type": (("type",), ()),
        "by_user": (("participants.userId",), ()),
        "by_agent": (("participants.agentId",), ()),
        "by_agent_user": (("participants.agentId", "participants.userId"), ()),
        "by_created": ((), ()),  # every index goes on by creation time
    }
    assert ChatChunk.by_message_and_sequence.order == ChatChunk.by_session_and_sequence.order == ("sequence",)


def test_every_index_projects_keys_only_and_every_table_is_on_demand(template: Template) -> None:
    for table in _of_type(template, "AWS::DynamoDB::Table").values():
        assert table["Properties"]["BillingMode"] == "PAY_PER_REQUEST"
        for index in table["Properties"].get("GlobalSecondaryIndexes", ()):
            assert index["Projection"] == {"ProjectionType": "KEYS_ONLY"}


def test_a_table_that_holds_data_survives_the_stack_and_can_be_restored(template: Template) -> None:
    for name, table in _of_type(template, "AWS::DynamoDB::Table").items():
        holds_data = name not in {table_id(each) for each in OF_CONNECTIONS}
        kept = (table["DeletionPolicy"], table["UpdateReplacePolicy"])
        assert kept == (("RetainExceptOnCreate", "Retain") if holds_data else ("Delete", "Delete"))
        recovery = table["Properties"]["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"]
        assert recovery is holds_data


def test_expiry_is_on_where_the_schema_says_so_and_nowhere_else(template: Template) -> None:
    expiring = {
        name
        for name, each in _of_type(template, "AWS::DynamoDB::Table").items()
        if "TimeToLiveSpecification" in each["Properties"]
    }
    assert {table_id("chatChunks"), table_id("commits"), table_id("fences")} <= expiring
    assert expiring.isdisjoint({table_id("conversations"), table_id("chatMessages"), table_id("claims")})


def test_each_stream_is_split_retried_and_put_aside_when_it_fails(template: Template) -> None:
    sources = {
        name: each["Properties"]
        for name, each in _of_type(template, "AWS::Lambda::EventSourceMapping").items()
        if name.startswith("Stream")
    }
    assert {each["EventSourceArn"]["Fn::GetAtt"][0] for each in sources.values()} == {table_id("commits"), table_id("chatChunks")}
    for each in sources.values():
        assert each["FunctionName"] == {"Ref": "OnChangeLive"}
        assert each["BisectBatchOnFunctionError"] is True
        assert 0 < each["MaximumRetryAttempts"] < 100
        assert each["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert each["DestinationConfig"] == {"OnFailure": {"Destination": {"Fn::GetAtt": ["FailureQueue", "Arn"]}}}
        (rule,) = each["FilterCriteria"]["Filters"]
        assert json.loads(rule["Pattern"]) == {"eventName": ["INSERT", "MODIFY"]}


def test_each_function_has_a_name_a_role_and_logs_of_its_own(template: Template) -> None:
    functions = _of_type(template, "AWS::Serverless::Function")
    roles = [each["Properties"]["Role"]["Fn::GetAtt"][0] for each in functions.values()]
    names = {each["Properties"]["FunctionName"] for each in functions.values()}
    assert len(set(roles)) == len(functions)
    groups = {
        each["Properties"]["LogGroupName"].removeprefix("/aws/lambda/")
        for each in _of_type(template, "AWS::Logs::LogGroup").values()
    }
    assert {each for each in groups if not each.startswith("/aws/apigateway/")} == names
    for group in _of_type(template, "AWS::Logs::LogGroup").values():
        assert group["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}


def test_both_apis_log_who_asked_when_and_how_it_ended_but_never_a_query_or_a_token(template: Template) -> None:
    rest = template["Resources"]["RestAPI"]["Properties"]["AccessLogSetting"]
    sockets = template["Resources"]["WebsocketAPIStage"]["Properties"]["AccessLogSettings"]
    for setting, group in ((rest, "AccessLogsHttp"), (sockets, "AccessLogsSockets")):
        condition, told, nothing = setting["Fn::If"]
        assert (condition, nothing) == ("HasAccessLogs", {"Ref": "AWS::NoValue"})
        assert told["DestinationArn"] == {"Fn::GetAtt": [group, "Arn"]}
        line = json.loads(told["Format"])
        assert {"requestId", "status", "integrationMs"} <= set(line)
        words = " ".join(line.values()).lower()
        assert not any(word in words for word in ("query", "header", "authorizer", "customdomain", "body", "resourcepath"))


def test_no_policy_grants_everything_and_each_fits_into_a_role(template: Template) -> None:
    for name, role in _of_type(template, "AWS::IAM::Role").items():
        (policy,) = role["Properties"]["Policies"]
        text = json.dumps(policy["PolicyDocument"], separators=(",", ":"))
        assert '"*"' not in text
        assert ':*"]' not in text.replace("log-group", "")
        # An ARN is up to 90 characters where the template has a reference of 40.
        assert len(text) + 50 * (text.count("Fn::GetAtt") + text.count("Fn::Sub")) < 10_240, name


def _readers(template: Template, parameter: str) -> set[str]:
    return {name for name, role in _of_type(template, "AWS::IAM::Role").items() if parameter in json.dumps(role)}


def test_only_who_signs_agents_tokens_can_read_the_key_and_it_stands_in_no_environment(template: Template) -> None:
    assert _readers(template, "SigningKeySecret") == {"ApiHandlerRole", "ActRole"}
    functions = {name: json.dumps(each["Properties"]) for name, each in _of_type(template, "AWS::Serverless::Function").items()}
    assert {name for name, each in functions.items() if "SIGNING_KEY_SECRET" in each} == {"APIHandler", "Act"}
    assert all("SIGNING_PUBLIC_KEY" in each and "resolve:secretsmanager:${SigningKey" not in each for each in functions.values())


def test_only_who_sends_push_messages_can_read_their_key_and_it_stands_in_no_environment(template: Template) -> None:
    assert _readers(template, "PushKeySecret") == {"RunJobRole"}
    functions = {name: json.dumps(each["Properties"]) for name, each in _of_type(template, "AWS::Serverless::Function").items()}
    assert {name for name, each in functions.items() if "PUSH_KEY_SECRET" in each} == {"RunJob"}
    assert all("PUSH_PUBLIC_KEY" in each and "PUSH_PRIVATE_KEY" not in each for each in functions.values())


def test_no_key_that_signs_is_resolved_into_a_template(template: Template) -> None:
    """What CloudFormation resolves, everybody reads who may look at a function. The edge's secret alone is so: it is compared."""
    resolved = set(re.findall(r"resolve:secretsmanager:\$\{(\w+)\}", json.dumps(template)))
    assert resolved == {"OriginSecret"}


def test_functions_that_start_one_another_are_not_taken_for_a_loop(template: Template) -> None:
    functions = _of_type(template, "AWS::Serverless::Function")
    allowed = {name for name, each in functions.items() if each["Properties"].get("RecursiveLoop") == "Allow"}
    starting = {
        deployed
        for deployed, entry in ((name, each["Properties"]["Handler"].removeprefix("app.")) for name, each in functions.items())
        if entry in LATER or entry in ("on_change", "act")
    }
    assert allowed == starting


def test_the_socket_api_deploys_what_changes(template: Template) -> None:
    """Chalice's one deployment has a name that never changes: a route that is changed later would reach nobody."""
    assert _of_type(template, "AWS::ApiGatewayV2::Deployment") == {}
    (stage,) = _of_type(template, "AWS::ApiGatewayV2::Stage").values()
    assert stage["Properties"]["AutoDeploy"] is True
    assert set(stage["DependsOn"]) == set(_of_type(template, "AWS::ApiGatewayV2::Route"))


def test_only_the_function_that_asks_the_model_can_read_its_key(template: Template) -> None:
    assert _readers(template, "AnthropicKeySecret") == {"GenerateRole"}
    named = {
        name for name, each in _of_type(template, "AWS::Serverless::Function").items() if "AnthropicKeySecret" in json.dumps(each)
    }
    assert named == {"Generate"}


def test_a_users_app_brings_its_tables_without_a_change_of_ours(template: Template) -> None:
    assert _table(template, "counters")["Properties"]["TableName"] == "concave-dev-counters"
    variables = template["Resources"]["APIHandler"]["Properties"]["Environment"]["Variables"]
    assert variables["CONCAVE_APPS"] == "chalicelib.functions,examples.counter,tests.apps.permitted"


def test_an_entry_point_without_a_policy_cannot_be_packaged(template: Template) -> None:
    packaged = json.loads(json.dumps(template))
    extra = json.loads(json.dumps(packaged["Resources"]["Welcome"]))
    extra["Properties"]["Handler"] = "app.brand_new"
    only = {"Resources": {**_of_type(packaged, "AWS::Serverless::Function"), "BrandNew": extra}}
    with pytest.raises(ValueError, match="brand_new"):
        write(only, "dev", ("chalicelib.functions",), [TableSpec("commits", stream=True)])


ALARMS = {
    "StreamAge": ("AWS/Lambda", "IteratorAge", 60_000),
    "Failures": ("AWS/SQS", "ApproximateNumberOfMessagesVisible", 0),
    "OverdueRuns": ("Concave", "dev-OverdueRuns", 0),
    "Tokens": ("Concave", "dev-Tokens", {"Ref": "TokensPerHourAlarm"}),
    "IndexLag": ("Concave", "IndexLag", 300_000),
    "FailedReplies": ("Concave", "dev-ReplyFailures", 0.5),
    "Posts": ("Concave", "FailedPosts", 20),
    "StoreRefused": ("Concave", "StoreRefused", 0),
    "StoreThrottled": ("Concave", "StoreThrottled", 100),
    "FunctionFaults": ("Concave", "FunctionFaults", 5),
    "HttpErrors": ("AWS/ApiGateway", "5XXError", 5),
    "SocketExecutionErrors": ("AWS/ApiGateway", "ExecutionError", 5),
}
"""What a person can do something about."""


def _told(template: Template) -> dict[str, dict[str, Any]]:
    """Alarms that people are told of; those of a canary are for CodeDeploy."""
    return {name: each for name, each in _of_type(template, "AWS::CloudWatch::Alarm").items() if "Condition" not in each}


def test_each_thing_that_people_must_know_of_has_an_alarm_that_tells_them(template: Template) -> None:
    alarms = _told(template)
    for name, wanted in ALARMS.items():
        told = alarms[f"{name}Alarm"]["Properties"]
        assert (told["Namespace"], told["MetricName"], told["Threshold"]) == wanted
        assert told["ComparisonOperator"] == "GreaterThanThreshold"
    assert alarms["TokensAlarm"]["Properties"]["Period"] == 3600
    for alarm in alarms.values():
        assert alarm["Properties"]["AlarmActions"] == [{"Fn::If": ["HasAlarmEmail", {"Ref": "Alarms"}, {"Ref": "AWS::NoValue"}]}]


def test_a_sweep_that_is_dead_rings_also_when_nothing_is_measured(template: Template) -> None:
    told = _of_type(template, "AWS::CloudWatch::Alarm")["SweepDeadAlarm"]["Properties"]
    assert (told["MetricName"], told["ComparisonOperator"], told["Threshold"]) == ("Invocations", "LessThanThreshold", 1)
    assert told["TreatMissingData"] == "breaching"


def test_no_alarm_watches_a_whole_region(template: Template) -> None:
    """What AWS measures is measured of every stage of the account, unless its name is said."""
    for name, each in _of_type(template, "AWS::CloudWatch::Alarm").items():
        assert not each["Properties"]["Namespace"].startswith("AWS/") or each["Properties"].get("Dimensions"), name


def test_the_runbook_says_what_to_do_about_each_alarm(template: Template) -> None:
    headings = re.findall(r"^### (\w+)$", (Path(__file__).parents[2] / "docs" / "runbook.md").read_text(), re.MULTILINE)
    assert headings == sorted(headings, key=str.lower)
    alarms = _told(template)
    assert set(headings) == {name.removesuffix("Alarm") for name in alarms}
    assert all(each["Properties"]["AlarmDescription"].endswith(name.removesuffix("Alarm")) for name, each in alarms.items())


def test_share_of_failed_replies_is_made_of_both_kinds_of_replies(template: Template) -> None:
    filters = [each["Properties"] for each in _of_type(template, "AWS::Logs::MetricFilter").values()]
    written = {
        each["FilterPattern"]: transformation["MetricValue"]
        for each in filters
        for transformation in each["MetricTransformations"]
        if transformation["MetricName"] == "dev-ReplyFailures"
    }
    assert sorted(written.values()) == ["0", "1"]
    assert all("reply ended" in pattern and "failed" in pattern for pattern in written)


def test_a_metric_from_the_log_has_the_words_that_the_log_has(template: Template) -> None:
    """A filter that matches no line is an alarm that never rings."""
    sources = [path.read_text() for path in (Path(__file__).parents[2] / "chalicelib").rglob("*.py")]
    for each in _of_type(template, "AWS::Logs::MetricFilter").values():
        words = re.search(r'\$\.message = "([^"]+)"', each["Properties"]["FilterPattern"])
        assert words
        assert any(f'"{words[1]}"' in source for source in sources), words[1]


def test_the_dashboard_shows_what_the_alarms_watch(template: Template) -> None:
    (dashboard,) = _of_type(template, "AWS::CloudWatch::Dashboard").values()
    widgets = json.loads(dashboard["Properties"]["DashboardBody"]["Fn::Sub"])["widgets"]
    shown = {(line[0], line[1]) for each in widgets for line in each["properties"]["metrics"]}
    assert {(namespace, metric) for namespace, metric, _ in ALARMS.values()} <= shown
