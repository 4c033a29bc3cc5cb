"""Versions, aliases and canaries: who is called, what a release is, and where a stage goes back to."""

from __future__ import annotations

import copy
import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest

from chalicelib.aws.models import ensure_tables, models
from chalicelib.aws.wire import item_to_wire
from chalicelib.data.tables import all_specs
from infra.account import Account, NotDone
from infra.deployed import Deployed
from infra.leftovers import versions_tidied
from infra.releases import History, goes_back_to, histories, moved, of_deployment, snapshots_possible
from infra.template.canary import FELT, OFF, WAYS
from infra.template.merge import MatchesNothing
from infra.template.releases import at_once, stamped, through_aliases

Template = dict[str, Any]


def _of_type(template: Template, kind: str) -> dict[str, dict[str, Any]]:
    return {name: each for name, each in template["Resources"].items() if each["Type"] == kind}


def _functions(template: Template) -> set[str]:
    return set(_of_type(template, "AWS::Serverless::Function"))


# Who is called --------------------------------------------------------------------------------------------------------------


def test_every_function_has_a_version_and_an_alias_that_calls_it(template: Template) -> None:
    aliases = {each["Properties"]["FunctionName"]["Ref"]: each for each in _of_type(template, "AWS::Lambda::Alias").values()}
    assert set(aliases) == _functions(template)
    for function, alias in aliases.items():
        version, attribute = alias["Properties"]["FunctionVersion"]["Fn::GetAtt"]
        assert attribute == "Version"
        assert template["Resources"][version]["Properties"]["FunctionName"] == {"Ref": function}
        assert template["Resources"][version]["DeletionPolicy"] == "RetainExceptOnCreate"


def test_nothing_but_its_version_alias_and_rules_refers_to_a_function_itself(template: Template) -> None:
    """What starts the function past its alias would have the new code at once, and keep it after a rollback."""
    kinds = {"AWS::Lambda::Version", "AWS::Lambda::Alias", "AWS::Lambda::EventInvokeConfig"}
    for function in _functions(template):
        named = re.compile(rf'"Ref": "{function}"|"{function}", "Arn"|\$\{{{function}(\.Arn)?\}}')
        users = {name for name, each in template["Resources"].items() if named.search(json.dumps(each))}
        assert {template["Resources"][name]["Type"] for name in users} <= kinds, users


def test_what_starts_functions_starts_aliases(template: Template) -> None:
    aliases = set(_of_type(template, "AWS::Lambda::Alias"))
    for kind, field in (("AWS::Lambda::EventSourceMapping", "FunctionName"), ("AWS::Lambda::Permission", "FunctionName")):
        found = _of_type(template, kind)
        assert found
        assert {each["Properties"][field]["Ref"] for each in found.values()} <= aliases
    sockets = [each["Properties"]["IntegrationUri"] for each in _of_type(template, "AWS::ApiGatewayV2::Integration").values()]
    assert {re.findall(r"functions/\$\{(\w+)\}/", uri["Fn::Sub"])[0] for uri in sockets} <= aliases
    http = re.findall(r"functions/\$\{([\w.]+)\}/", json.dumps(template["Resources"]["RestAPI"]))
    assert set(http) == {"APIHandlerLive"}
    (rule,) = _of_type(template, "AWS::Events::Rule").values()
    assert [each["Arn"] for each in rule["Properties"]["Targets"]] == [{"Ref": "TickLive"}]
    starts = re.findall(r":function:concave-dev-([\w:]+)\"", json.dumps(_of_type(template, "AWS::IAM::Role")))
    assert starts
    assert all(each.endswith(":live") for each in starts)


def test_a_function_that_starts_others_starts_their_aliases(template: Template) -> None:
    for name, each in _of_type(template, "AWS::Serverless::Function").items():
        role = template["Resources"][each["Properties"]["Role"]["Fn::GetAtt"][0]]
        variables = each["Properties"]["Environment"]["Variables"]
        assert (variables.get("INVOKE_ALIAS") == "live") == ("lambda:InvokeFunction" in json.dumps(role)), name


def test_rules_for_what_nobody_waits_for_are_the_aliases_own(template: Template) -> None:
    """An invocation through an alias has the alias' rules: the function's own would be passed over."""
    rules = _of_type(template, "AWS::Lambda::EventInvokeConfig")
    assert {each["Properties"]["Qualifier"] for each in rules.values()} == {"live"}
    assert not any("EventInvokeConfig" in each["Properties"] for each in _of_type(template, "AWS::Serverless::Function").values())
    aside = {each["Properties"]["FunctionName"]["Ref"] for each in rules.values() if "DestinationConfig" in each["Properties"]}
    assert aside == {"Welcome", "Serve", "Act", "RunJob", "Generate"}


def test_an_event_that_is_no_schedule_cannot_pass_an_alias_by() -> None:
    event = {"Type": "SQS", "Properties": {"Queue": "q"}}
    function = {"Type": "AWS::Serverless::Function", "Properties": {"Events": {"Taken": event}}}
    with pytest.raises(MatchesNothing, match=r"Work.Events.Taken is a SQS"):
        through_aliases({"Resources": {"Work": function}})


# What a release is ----------------------------------------------------------------------------------------------------------


def test_a_release_is_named_by_what_is_in_it(template: Template) -> None:
    release = template["Metadata"]["Release"]
    assert re.fullmatch("[0-9a-f]{12}", release)
    other = stamped(template, b"other code")
    assert other["Metadata"]["Release"] not in ("", release)
    assert json.dumps(other).replace(other["Metadata"]["Release"], release) == json.dumps(template)
    assert stamped(template, b"other code") == other
    assert stamped({"Resources": {}}, b"code") == {"Resources": {}}


def test_every_function_is_changed_by_a_release_so_that_every_one_publishes(template: Template) -> None:
    release = template["Metadata"]["Release"]
    for each in _of_type(template, "AWS::Serverless::Function").values():
        assert each["Properties"]["Environment"]["Variables"]["RELEASE"] == release
    for name, each in _of_type(template, "AWS::Lambda::Version").items():
        assert name.endswith(release)
        assert each["Properties"]["Description"] == release


def test_a_parameter_makes_another_release_and_the_same_ones_the_same(template: Template) -> None:
    given = [{"ParameterKey": "AuthIssuer", "ParameterValue": "https://one.example"}]
    kept = [{"ParameterKey": "AuthIssuer", "UsePreviousValue": True}]
    stack = {"Parameters": given}
    one, same, other = (of_deployment(template, parameters, stack) for parameters in (given, kept, []))
    assert one == same
    assert len({each["Metadata"]["Release"] for each in (template, one, other)}) == 3


def test_snapstart_is_refused_where_the_runtime_has_none(template: Template) -> None:
    old = json.loads(re.sub(r'"python3\.\d+"', '"python3.11"', json.dumps(template)))
    new = json.loads(re.sub(r'"python3\.\d+"', '"python3.13"', json.dumps(template)))
    with pytest.raises(NotDone, match=r"SNAPSTART=on: python3\.11 has no SnapStart"):
        snapshots_possible(old, {"SNAPSTART": "on"})
    snapshots_possible(old, {})
    snapshots_possible(new, {"SNAPSTART": "on"})
    snapped = {
        name for name, each in _of_type(template, "AWS::Serverless::Function").items() if "SnapStart" in each["Properties"]
    }
    assert snapped == {"APIHandler", "WebsocketConnect", "WebsocketMessage", "OnChange", "Generate"}


# The canary -----------------------------------------------------------------------------------------------------------------


def test_a_canary_is_off_at_first_and_makes_nothing_then(template: Template) -> None:
    assert template["Parameters"]["Canary"]["Default"] == OFF
    assert template["Parameters"]["Canary"]["AllowedValues"] == [OFF, *WAYS]
    deploys = [each for each in template["Resources"].values() if each["Type"].startswith("AWS::CodeDeploy::")]
    assert len(deploys) == 1 + len(_functions(template))
    assert {each["Condition"] for each in deploys} == {"HasCanary"}
    for each in _of_type(template, "AWS::Lambda::Alias").values():
        condition, way, nothing = each["UpdatePolicy"]["Fn::If"]
        assert (condition, nothing) == ("HasCanary", {"Ref": "AWS::NoValue"})
        update = way["CodeDeployLambdaAliasUpdate"]
        assert template["Resources"][update["DeploymentGroupName"]["Ref"]]["Type"] == "AWS::CodeDeploy::DeploymentGroup"


def test_a_canary_goes_back_by_what_users_feel_and_by_the_new_versions_own_errors(template: Template) -> None:
    for group in _of_type(template, "AWS::CodeDeploy::DeploymentGroup").values():
        back = group["Properties"]["AutoRollbackConfiguration"]
        assert back["Enabled"]
        assert "DEPLOYMENT_STOP_ON_ALARM" in back["Events"]
        names = [each["Name"]["Ref"] for each in group["Properties"]["AlarmConfiguration"]["Alarms"]]
        assert len(names) <= 10
        measured = {
            (told["Namespace"], told["MetricName"]) for told in (template["Resources"][each]["Properties"] for each in names)
        }
        for name in FELT:
            known = template["Resources"][f"{name}Alarm"]["Properties"]
            assert (known["Namespace"], known["MetricName"]) in measured
        assert ("AWS/Lambda", "Errors") in measured


def test_each_canary_looks_at_the_errors_of_its_own_new_version(template: Template) -> None:
    for function in _functions(template):
        told = {each["Name"]: each["Value"] for each in template["Resources"][f"{function}InCanary"]["Properties"]["Dimensions"]}
        version, _ = template["Resources"][f"{function}Live"]["Properties"]["FunctionVersion"]["Fn::GetAtt"]
        assert told["ExecutedVersion"] == {"Fn::GetAtt": [version, "Version"]}
        assert told["Resource"] == f"{told['FunctionName']}:live"


def test_an_alarm_of_a_canary_can_ring_before_the_shortest_canary_is_over(template: Template) -> None:
    shortest = min(int(way.partition("Percent")[2].removesuffix("Minutes")) for way in WAYS if way.startswith("Canary"))
    alarms = [each["Properties"] for name, each in _of_type(template, "AWS::CloudWatch::Alarm").items() if "Condition" in each]
    assert all(each["Period"] * each["EvaluationPeriods"] < 60 * shortest for each in alarms)
    assert not any("AlarmActions" in each for each in alarms)


def test_after_a_rollback_aliases_are_moved_in_one_step(template: Template) -> None:
    made = at_once(template)
    assert not any("UpdatePolicy" in each for each in made["Resources"].values())
    assert "UpdatePolicy" in template["Resources"]["GenerateLive"]


def test_a_template_with_forty_tables_of_an_app_is_within_what_cloudformation_takes(template: Template) -> None:
    """1 MB and 500 resources ("CloudFormation quotas"); SAM makes a few more of the API."""
    whole = copy.deepcopy(template)
    whole["Resources"] |= {f"More{number}": template["Resources"]["TableChatMessages"] for number in range(40)}
    assert len(json.dumps(whole, separators=(",", ":"))) < 1_000_000
    assert len(whole["Resources"]) < 480


# Going back -----------------------------------------------------------------------------------------------------------------


def _history(stands: int, *releases: str, name: str = "f") -> History:
    return History(name, dict(enumerate(releases, 1)), stands)


@pytest.mark.parametrize(
    ("stands", "releases", "before"),
    [(2, "ab", "a"), (3, "aba", "b"), (1, "ab", None), (3, "abb", "a"), (2, "abc", "a")],
)
def test_the_release_before_is_the_last_other_one(stands: int, releases: str, before: str | None) -> None:
    assert _history(stands, *releases).before() == before


def test_a_rollback_that_was_broken_off_goes_on_to_where_it_was_going() -> None:
    assert goes_back_to([_history(1, *"ab"), _history(2, *"ab", name="g")]) == "a"
    assert goes_back_to([_history(3, *"abc"), _history(3, *"abc", name="g")]) == "b"


def test_a_stage_with_nothing_before_says_so_and_names_what_is_kept() -> None:
    with pytest.raises(NotDone, match="a is the oldest release that is kept"):
        goes_back_to([_history(1, "a")])
    with pytest.raises(NotDone, match="the release z is not kept; there are b, a"):
        goes_back_to([_history(2, *"ab")], "z")
    with pytest.raises(NotDone, match="no aliases"):
        goes_back_to([])


def _code(text: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("app.py", text)
    return content.getvalue()


def _published(where: Account, name: str, releases: str) -> None:
    role = where.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    client = where.client("lambda")
    client.create_function(FunctionName=name, Runtime="python3.13", Role=role, Handler="app.f", Code={"ZipFile": _code("")})
    for release in releases:
        client.update_function_code(FunctionName=name, ZipFile=_code(release))
        version = client.publish_version(FunctionName=name, Description=release)["Version"]
    client.create_alias(FunctionName=name, Name="live", FunctionVersion=version)


def test_aliases_are_moved_together_and_a_function_that_a_release_did_not_have_stays(where: Account, tmp_path: Path) -> None:
    client = where.client("lambda")
    _published(where, "old", "abc")
    _published(where, "new", "bc")
    found = histories(client, ["new", "old"])
    assert {each.name: each.release for each in found} == {"old": "c", "new": "c"}
    assert moved(client, found, "a") == (["old"], ["new"])
    again = histories(client, ["new", "old"])
    assert {each.name: each.release for each in again} == {"old": "a", "new": "c"}


def test_three_versions_stay_and_what_is_called_however_old_it_is(where: Account) -> None:
    client, told = where.client("lambda"), list[str]()
    _published(where, "f", "abcdef")
    found = histories(client, ["f"])
    moved(client, found, "b")
    assert versions_tidied(client, histories(client, ["f"]), told.append) == 2
    assert sorted(histories(client, ["f"])[0].versions.values()) == ["b", "d", "e", "f"]
    assert (versions_tidied(client, histories(client, ["f"]), told.append), len(told)) == (0, 1)


def test_what_an_earlier_release_wrote_beside_newer_indexes_is_brought_into_them(where: Account) -> None:
    """Code from before an index knows nothing of it, and the index is ready: nobody else would look."""
    data = Deployed("dev", ("chalicelib.functions", "tests.apps.permitted"), "us-east-1")
    ensure_tables(where.client("dynamodb"), models(all_specs(), "concave-dev-").values())
    data.after([].append)
    old = {"pk": "acme|permittedThings|t1", "_id": "t1", "_creationTime": 1, "_v": 1, "_c": "c", "owner": "ann", "code": "c1"}
    where.client("dynamodb").put_item(TableName="concave-dev-permittedThings", Item=item_to_wire(old))
    said: list[str] = []
    assert data.before(said.append) == []
    assert "permittedThings.by_owner" in data.before(said.append, audited=True)
    data.after(said.append, audited=True)
    data.close()
    assert "permittedThings.by_owner: 1 documents, ready" in said
    stored = where.client("dynamodb").get_item(TableName="concave-dev-permittedThings", Key={"pk": {"S": old["pk"]}})["Item"]
    assert stored["by_owner#p"]["S"].startswith("acme|permittedThings.by_owner|")
