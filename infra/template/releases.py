"""Releases: all functions change together, and go back together.

A deployment publishes one version of each function, and an alias of each is moved to it; whoever starts a function starts its
alias ("Lambda function versions" and "aliases" in Lambda's developer guide). CloudFormation publishes a version once per
logical id, so the release is a part of it; it is in each function's settings too, so that there is something to publish.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from infra.template.canary import moving
from infra.template.merge import MatchesNothing, Template
from infra.template.parts import ALIAS, UNSTAMPED, Deployment, Function, Resource, Resources, alias_id, att, ref, sub, version_id
from infra.template.policies import ASIDE
from infra.template.queues import FAILURES

ASYNC_TRIES, ASYNC_AGE_S = 2, 3600
"""Retries of an asynchronous invocation that failed, and how long it may wait. All of them are safe to repeat: a job or a
run is claimed by a condition."""
_PATH = "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/"


def releases(deployment: Deployment) -> Resources:
    """A version, an alias, and the alias' rules for invocations that nobody waits for, of every function."""
    made: Resources = {}
    for function in deployment.functions.values():
        name = ref(function.logical)
        made[version_id(function, UNSTAMPED)] = {
            "Type": "AWS::Lambda::Version",
            # Older versions are what a stage goes back to; `infra/leftovers.py` takes the oldest away.
            "DeletionPolicy": "RetainExceptOnCreate",
            "UpdateReplacePolicy": "Retain",
            "Properties": {"FunctionName": name, "Description": UNSTAMPED},
        }
        made[alias_id(function.logical)] = {
            "Type": "AWS::Lambda::Alias",
            "UpdatePolicy": moving(function),
            "Properties": {
                "FunctionName": name,
                "FunctionVersion": att(version_id(function, UNSTAMPED), "Version"),
                "Name": ALIAS,
            },
        }
        if rules := _unwaited(function):
            made[f"{alias_id(function.logical)}Unwaited"] = {
                "Type": "AWS::Lambda::EventInvokeConfig",
                "DependsOn": alias_id(function.logical),
                "Properties": {"FunctionName": name, "Qualifier": ALIAS, **rules},
            }
    return made


def _unwaited(function: Function) -> Resource:
    if function.entry in ASIDE and function.entry != "on_change":
        aside = {"OnFailure": {"Destination": att(FAILURES, "Arn")}}
        return {"MaximumRetryAttempts": ASYNC_TRIES, "MaximumEventAgeInSeconds": ASYNC_AGE_S, "DestinationConfig": aside}
    if function.entry in ("tick", "sweep"):
        return {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60}  # the next one is on its way
    return {}


# Who starts them ------------------------------------------------------------------------------------------------------------


def through_aliases(packaged: Mapping[str, Any]) -> Template:
    """What `chalice package` wrote, with both APIs, their permissions and the schedule at the aliases.

    Raises:
        MatchesNothing: Chalice writes it in another way.
    """
    made = copy.deepcopy(dict(packaged))
    resources = made["Resources"]
    functions = [name for name, each in resources.items() if each["Type"] == "AWS::Serverless::Function"]
    for name, each in list(resources.items()):
        properties = each.get("Properties", {})
        match each["Type"]:
            case "AWS::Serverless::Function":
                for event, wanted in properties.pop("Events", {}).items():
                    resources |= _scheduled(name, event, wanted)
            case "AWS::Serverless::Api":
                properties["DefinitionBody"] = _at_aliases(properties["DefinitionBody"], functions)
            case "AWS::ApiGatewayV2::Integration":
                _, values = properties["IntegrationUri"]["Fn::Sub"]
                (handler,) = values.values()
                properties["IntegrationUri"] = sub(_PATH + "${" + alias_id(handler["Ref"]) + "}/invocations")
            case "AWS::Lambda::Permission":
                properties["FunctionName"] = ref(alias_id(properties["FunctionName"]["Ref"]))
    return made


def _scheduled(function: str, event: str, wanted: Mapping[str, Any]) -> Resources:
    """SAM's schedules start the function itself unless it publishes the versions too."""
    if wanted["Type"] != "Schedule":
        raise MatchesNothing(f"{function}.Events.{event} is a {wanted['Type']}, and only schedules are known here")
    alias, rule = ref(alias_id(function)), f"{function}Rule"
    return {
        rule: {
            "Type": "AWS::Events::Rule",
            "Properties": {
                "ScheduleExpression": wanted["Properties"]["Schedule"],
                "State": "ENABLED",
                "Targets": [{"Arn": alias, "Id": function}],
            },
        },
        f"{rule}Permission": {
            "Type": "AWS::Lambda::Permission",
            "Properties": {
                "FunctionName": alias,
                "Action": "lambda:InvokeFunction",
                "Principal": "events.amazonaws.com",
                "SourceArn": att(rule, "Arn"),
            },
        },
    }


def _at_aliases(body: Any, functions: Iterable[str]) -> Any:
    text = json.dumps(body)
    for name in functions:
        text = text.replace("${" + name + ".Arn}", "${" + alias_id(name) + "}")
    return json.loads(text)


# Which release --------------------------------------------------------------------------------------------------------------


def stamped(template: Mapping[str, Any], *parts: bytes) -> Template:
    """The template with another release: a digest of what it was before, and of these parts. What is the same stays the same.

    A template that names no release comes back as it is.
    """
    before = template.get("Metadata", {}).get("Release")
    if before is None:
        return dict(template)
    text = json.dumps(template)
    found = hashlib.sha256(text.encode())
    for part in parts:
        found.update(hashlib.sha256(part).digest())
    made: Template = json.loads(text.replace(before, found.hexdigest()[:12]))
    return made


def at_once(template: Mapping[str, Any]) -> Template:
    """The template without the canary, for one deployment: aliases are moved in one step."""
    made = copy.deepcopy(dict(template))
    for each in made["Resources"].values():
        if each["Type"] == "AWS::Lambda::Alias":
            each.pop("UpdatePolicy", None)
    return made
