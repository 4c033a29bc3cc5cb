"""A canary: a release is given a part of the calls first, and goes back by itself when users feel it.

CodeDeploy moves the aliases ("CodeDeployLambdaAliasUpdate" of CloudFormation's UpdatePolicy). The alarms that people are told of
look at ten minutes and more, which is longer than a canary: so the same measurements have alarms of two minutes here, and the
new version's own errors one besides. They tell nobody, since going back is what is to be done.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from infra.template.alarms import Alarm, all_alarms, resource_of
from infra.template.parts import ALIAS, UNSTAMPED, Deployment, Function, Resource, Resources, att, either, ref, sub, version_id

OFF = "off"
WAYS = (
    *(f"Canary10Percent{minutes}Minutes" for minutes in (5, 10, 15, 30)),
    *(f"Linear10PercentEvery{minutes}" for minutes in ("1Minute", "2Minutes", "3Minutes", "10Minutes")),
)
"""CodeDeploy's own configurations for Lambda, without its prefix."""
FELT = ("FailedReplies", "StoreRefused", "FunctionFaults", "HttpErrors", "SocketExecutionErrors", "SocketIntegrationErrors")
"""What users feel; with the function's own errors these are seven of the ten alarms that a deployment group may have."""
PERIOD_S, PERIODS = 60, 2
ERRORS = 2
"""Errors a minute of the new version of one function that are still accepted."""
APPLICATION, ROLE = "Canaries", "CanariesRole"


def moving(function: Function) -> Resource:
    """How an alias is moved to another version: by CodeDeploy, or at once."""
    update = {"ApplicationName": ref(APPLICATION), "DeploymentGroupName": ref(_group_id(function))}
    return either("HasCanary", {"CodeDeployLambdaAliasUpdate": update})


def canaries(deployment: Deployment) -> Resources:
    """The application, a deployment group per function, their role and their alarms; nothing of it with CANARY=off."""
    made: Resources = {
        APPLICATION: {"Type": "AWS::CodeDeploy::Application", "Properties": {"ComputePlatform": "Lambda"}},
        ROLE: _role(deployment),
    }
    made |= {_alarm_id(name): resource_of(name, alarm, tells=False) for name, alarm in _felt(deployment)}
    for function in deployment.functions.values():
        made[_alarm_id(function.logical)] = _errors(deployment, function)
        made[_group_id(function)] = _group(function)
    return {name: {**each, "Condition": "HasCanary"} for name, each in made.items()}


def _group_id(function: Function) -> str:
    return f"{function.logical}Canary"


def _alarm_id(name: str) -> str:
    return f"{name}InCanary"


def _felt(deployment: Deployment) -> Iterator[tuple[str, Alarm]]:
    for name, alarm in all_alarms(deployment):
        if name in FELT:
            yield name, replace(alarm, period_s=PERIOD_S, periods=PERIODS)


def _errors(deployment: Deployment, function: Function) -> Resource:
    name = deployment.name(function.entry)
    version = att(version_id(function, UNSTAMPED), "Version")
    measured = {"FunctionName": name, "Resource": f"{name}:{ALIAS}", "ExecutedVersion": version}
    alarm = Alarm(f"The new version of {function.entry} fails.", ("AWS/Lambda", "Errors", measured), ERRORS, period_s=PERIOD_S)
    return resource_of("FunctionFaults", alarm, tells=False)


def _group(function: Function) -> Resource:
    alarms = [{"Name": ref(_alarm_id(name))} for name in (*FELT, function.logical)]
    return {
        "Type": "AWS::CodeDeploy::DeploymentGroup",
        "Properties": {
            "ApplicationName": ref(APPLICATION),
            "ServiceRoleArn": att(ROLE, "Arn"),
            "DeploymentConfigName": sub("CodeDeployDefault.Lambda${Canary}"),
            "DeploymentStyle": {"DeploymentType": "BLUE_GREEN", "DeploymentOption": "WITH_TRAFFIC_CONTROL"},
            "AlarmConfiguration": {"Enabled": True, "Alarms": alarms},
            "AutoRollbackConfiguration": {
                "Enabled": True,
                "Events": ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST"],
            },
        },
    }


def _role(deployment: Deployment) -> Resource:
    """What CodeDeploy does: look at our alarms, move our aliases."""
    here = "${AWS::Region}:${AWS::AccountId}:"
    alarm = sub("arn:${AWS::Partition}:cloudwatch:" + here + "alarm:" + deployment.name("*"))
    function = sub("arn:${AWS::Partition}:lambda:" + here + "function:" + deployment.name("*"))
    statements: list[dict[str, Any]] = [
        {
            "Sid": "Aliases",
            "Effect": "Allow",
            "Action": ["lambda:GetAlias", "lambda:GetProvisionedConcurrencyConfig", "lambda:UpdateAlias"],
            "Resource": [function],
        },
        {"Sid": "Alarms", "Effect": "Allow", "Action": ["cloudwatch:DescribeAlarms"], "Resource": [alarm]},
    ]
    trusts = {"Effect": "Allow", "Action": ["sts:AssumeRole"], "Principal": {"Service": ["codedeploy.amazonaws.com"]}}
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trusts]},
            "Policies": [{"PolicyName": "own", "PolicyDocument": {"Version": "2012-10-17", "Statement": statements}}],
        },
    }
