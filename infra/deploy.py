"""`make deploy STAGE=dev`: package, upload, show what will change to CloudFormation's rules, change it, print the address, look
whether it does what it is for (`infra/smoke`; not with ARGS=--no-smoke).

Parameters are taken from the environment under the names of the settings (`AUTH_ISSUER=… make deploy`); one that is not
given keeps the value of the last deployment. boto3 is all it needs: no AWS CLI, no SAM CLI.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.data.errors import ConcaveError
from chalicelib.environment import BadSetting
from chalicelib.settings import Settings
from infra.account import Account, NotDone, account, stack_name, upload
from infra.deployed import Deployed
from infra.indexes import plan
from infra.leftovers import layers_tidied, versions_tidied
from infra.package import BUILD, CODE, LAYER, PAGE, TEMPLATE, NotPackaged, package
from infra.page import dashboard, publish
from infra.quotas import looked_up
from infra.releases import functions_of, histories, of_deployment, snapshots_possible, went_back
from infra.smoke.__main__ import smoke
from infra.stage_keys import operators_pair
from infra.template.parameters import SETTINGS
from infra.template.releases import at_once

GIVEN = {
    **{variable: name for variable, (name, _) in SETTINGS.items()},
    "ANTHROPIC_API_KEY_SECRET": "AnthropicKeySecret",
    "SIGNING_KEY_SECRET": "SigningKeySecret",
    "SIGNING_PUBLIC_KEY": "SigningPublicKey",
    "PUSH_KEY_SECRET": "PushKeySecret",
    "EMBEDDER_KEY_SECRET": "EmbedderKeySecret",
    "VECTOR_BUCKET": "VectorBucket",
    "BEDROCK_MODEL": "BedrockModel",
    "API_ENDPOINT": "ApiEndpoint",
    "DASHBOARD": "DashboardSwitch",
    "OPERATOR_PUBLIC_KEY": "OperatorPublicKey",
    "EDGE": "EdgeSwitch",
    "ACCESS_LOGS": "AccessLogs",
    "DOMAIN": "Domain",
    "CERTIFICATE_ID": "CertificateId",
    "WEB_ACL_ARN": "WebAclArn",
    "REQUESTS_PER_SECOND": "RequestsPerSecond",
    "FRAMES_PER_SECOND": "FramesPerSecond",
    "CANARY": "Canary",
    "SNAPSTART": "SnapStart",
    "FRONT_RESERVED": "FrontReserved",
    "GENERATE_AT_ONCE": "GenerateAtOnce",
    "ALARM_EMAIL": "AlarmEmail",
    "TOKENS_PER_HOUR_ALARM": "TokensPerHourAlarm",
    "LOG_RETENTION_DAYS": "LogRetentionDays",
}
"""Parameters of the template by environment variable."""
_DONE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE")
_NOTHING_NEW = ("didn't contain changes", "No updates are to be performed")
Tell = Callable[[str], object]


def deploy(
    where: Account,
    stage: str,
    folder: Path,
    env: Mapping[str, str],
    tell: Tell,
    data: Deployed | None = None,
    poll_s: float = 5.0,
) -> str:
    """Bring a packaged stage to AWS.

    Args:
        where: the account.
        stage: its name.
        folder: what `make package` wrote.
        env: where parameters are looked for.
        tell: takes a line of progress.
        data: compares what is stored with what the new code declares, and builds indexes that are new.
        poll_s: seconds between two looks at CloudFormation.

    Returns:
        The one address of the deployment.

    Raises:
        NotDone: CloudFormation, or a rule of ours, refused; nothing has been changed, or it was rolled back.
    """
    client, name = where.client("cloudformation"), stack_name(stage)
    env = {**env, **_public_key(where, env), **_resources(env)}
    template = json.loads((folder / TEMPLATE).read_text())
    stack = _fit_for_change(client, name, tell, poll_s)
    env = {**env, **operators_pair(env, stage, (stack or {}).get("Parameters", ()), tell)}
    snapshots_possible(template, env)
    template = of_deployment(template, _parameters(template, stack, env), stack)
    if data and stack is not None:
        data.check(tell)
    if back := went_back(client, where.client("lambda"), stack):
        tell(f"the stage went back to release {back}: this deployment moves it on in one step, without a canary")
        template = at_once(template)
    steps = plan(where.client("dynamodb"), template, new=stack is None)
    for number, step in enumerate(steps, 1):
        if len(steps) > 1:
            tell(f"step {number} of {len(steps)}: {', '.join(step.what)}")
        url = _uploaded(where, stage, folder, step.template)
        change = client.create_change_set(
            StackName=name,
            ChangeSetName=datetime.now(UTC).strftime(f"deploy-%Y%m%d-%H%M%S-{number}"),
            ChangeSetType="CREATE" if stack is None else "UPDATE",
            TemplateURL=url,
            Parameters=_parameters(step.template, stack, env),
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
            Tags=[{"Key": "concave:stage", "Value": stage}],
        )
        if not _ready(client, name, change["Id"], poll_s):
            tell("nothing has changed")
            continue
        _refuse_replacements(client, name, change["Id"])
        for index in data.before(tell, audited=bool(back)) if data and number == 1 else ():
            tell(f"{index} is to be built; its readers are refused until then")
        started = datetime.now(UTC)
        client.execute_change_set(StackName=name, ChangeSetName=change["Id"])
        follow(client, name, started, tell, poll_s)
        stack = stack_of(client, name)
    if data:
        data.after(tell, audited=bool(back))
    found = {each["OutputKey"]: each["OutputValue"] for each in stack_of(client, name).get("Outputs", ())}
    if "PageBucket" in found:
        publish(where.client("s3"), PAGE, found["PageBucket"], tell)
        dashboard(where.client("s3"), found["PageBucket"], _given(stack_of(client, name)).get("DashboardSwitch") == "on", tell)
    layers_tidied(where.client("lambda"), template, tell)
    versions_tidied(where.client("lambda"), histories(where.client("lambda"), functions_of(client, name)), tell)
    _warn(stack_of(client, name), tell)
    return str(found.get("Url", ""))


def _warn(stack: Any, tell: Tell) -> None:
    """Say what a deployment does not have and people expect."""
    given = _given(stack)
    if "AlarmEmail" in given and not given["AlarmEmail"]:
        tell("WARNING: alarms tell nobody: ALARM_EMAIL=you@example.com make deploy")
    if "AnthropicKeySecret" in given and not given["AnthropicKeySecret"]:
        tell("WARNING: there is no model's key, so replies fail: ANTHROPIC_API_KEY_SECRET=<the ARN of its secret> make deploy")


def _given(stack: Any) -> dict[str, str]:
    return {each["ParameterKey"]: each["ParameterValue"] for each in stack.get("Parameters", ())}


def stack_of(client: Any, name: str) -> Any:
    """The stack, or None. One that was only reviewed does not count."""
    try:
        (stack,) = client.describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    return None if stack["StackStatus"] == "REVIEW_IN_PROGRESS" else stack


def _fit_for_change(client: Any, name: str, tell: Tell, poll_s: float) -> Any:
    """The stack, if there is one. A first deployment that failed left a husk: it goes."""
    stack = stack_of(client, name)
    if stack is None:
        return None
    status = stack["StackStatus"]
    if status in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED"):
        tell(f"{name} never came up ({status}); taking away what is left of it")
        client.delete_stack(StackName=name)
        until_gone(client, name, poll_s)
        return None
    if status.endswith("_IN_PROGRESS"):
        raise NotDone(f"{name} is being changed by someone else ({status}); try again when that is over")
    if status == "UPDATE_ROLLBACK_FAILED":
        raise NotDone(f"{name} is stuck ({status}): continue the rollback in CloudFormation's console, then deploy again")
    return stack


def until_gone(client: Any, name: str, poll_s: float) -> None:
    """Wait until a stack (name or id) is deleted. Raises `NotDone` when that fails."""
    while (stack := stack_of(client, name)) is not None and stack["StackStatus"] != "DELETE_COMPLETE":
        if stack["StackStatus"] == "DELETE_FAILED":
            raise NotDone(f"{name} could not be deleted: {stack.get('StackStatusReason', 'see its events')}")
        time.sleep(poll_s)


def _uploaded(where: Account, stage: str, folder: Path, template: dict[str, Any]) -> str:
    """Upload the bundles, then the template that names them. Returns the template's address."""
    bundles = {f"./{name}": upload(where, stage, folder / name) for name in (CODE, LAYER) if (folder / name).exists()}
    for resource in template["Resources"].values():
        properties = resource.get("Properties", {})
        for field in ("CodeUri", "ContentUri"):
            if properties.get(field) in bundles:
                bucket, key = bundles[properties[field]]
                properties[field] = {"Bucket": bucket, "Key": key}
    sent = folder / "deployed.json"
    sent.write_text(json.dumps(template, separators=(",", ":")))
    return template_url(where, upload(where, stage, sent))


def template_url(where: Account, place: tuple[str, str]) -> str:
    """The address of an uploaded template, (bucket, key), at the S3 that the account's clients use."""
    return "/".join((where.client("s3").meta.endpoint_url, *place))


def await_stack(client: Any, name: str, change: str, tell: Tell, poll_s: float) -> None:
    """Carry out a change set and wait for its end. Raises `NotDone` when it is refused or fails."""
    if not _ready(client, name, change, poll_s):
        return
    started = datetime.now(UTC)
    client.execute_change_set(StackName=name, ChangeSetName=change)
    follow(client, name, started, tell, poll_s)


def _public_key(where: Account, env: Mapping[str, str]) -> dict[str, str]:
    """The public half of the key that signs agents' tokens, for the functions that only verify them."""
    secret = env.get("SIGNING_KEY_SECRET")
    if not secret:
        return {}
    from chalicelib.runtime.minting import BadKey, public_half

    try:
        pem = where.client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"]
        return {"SIGNING_PUBLIC_KEY": public_half(pem.replace("\\n", "\n"))}
    except ClientError as error:
        raise NotDone(f"SIGNING_KEY_SECRET: the secret cannot be read here, to work out its public half: {error}") from error
    except BadKey as error:
        raise NotDone(f"SIGNING_KEY_SECRET: {error}") from error


def _resources(env: Mapping[str, str]) -> dict[str, str]:
    """What VECTORS and EMBEDDER, where they are given, need a permission for; a region group before a model's id is left out."""
    made = {}
    if vectors := env.get("VECTORS"):
        made["VECTOR_BUCKET"] = vectors.removeprefix("s3:") if vectors.startswith("s3:") else "none"
    if embedder := env.get("EMBEDDER"):
        kind, _, model = embedder.partition(":")
        made["BEDROCK_MODEL"] = re.sub(r"^(us|eu|apac|global)\.", "", model) if kind == "bedrock" else "none"
    return made


def _parameters(template: Mapping[str, Any], stack: Any, env: Mapping[str, str]) -> list[dict[str, Any]]:
    """Given ones, and those of the last deployment."""
    before = {each["ParameterKey"] for each in (stack or {}).get("Parameters", ())}
    given = {name: env[variable] for variable, name in GIVEN.items() if env.get(variable)}
    made: list[dict[str, Any]] = []
    for name in template.get("Parameters", {}):
        if name in given:
            made.append({"ParameterKey": name, "ParameterValue": given[name]})
        elif name in before:
            made.append({"ParameterKey": name, "UsePreviousValue": True})
    return made


def _ready(client: Any, name: str, change: str, poll_s: float) -> bool:
    """Wait until the change is worked out. False: there is nothing to change."""
    while True:
        found = client.describe_change_set(StackName=name, ChangeSetName=change)
        if found["Status"] == "CREATE_COMPLETE":
            return True
        if found["Status"] == "FAILED":
            reason = found.get("StatusReason", "")
            client.delete_change_set(StackName=name, ChangeSetName=change)
            if any(words in reason for words in _NOTHING_NEW):
                return False
            raise NotDone(f"CloudFormation refuses the template: {reason}")
        time.sleep(poll_s)


def _refuse_replacements(client: Any, name: str, change: str) -> None:
    """A table that would be replaced would come back empty: not by a deployment."""
    replaced = []
    for page in client.get_paginator("describe_change_set").paginate(StackName=name, ChangeSetName=change):
        for each in page["Changes"]:
            what = each["ResourceChange"]
            if what["ResourceType"] == "AWS::DynamoDB::Table" and what.get("Replacement") == "True":
                replaced.append(what["LogicalResourceId"])
    if replaced:
        client.delete_change_set(StackName=name, ChangeSetName=change)
        raise NotDone(f"this would replace {', '.join(replaced)} by empty tables: give the changed table another name instead")


def follow(client: Any, name: str, started: datetime, tell: Tell, poll_s: float, good: Sequence[str] = _DONE) -> None:
    """Wait until the stack has changed; failures are told as they happen. Raises `NotDone` when it ends in no good state."""
    told: set[str] = set()
    failures: list[str] = []
    while True:
        status = stack_of(client, name)["StackStatus"]
        for event in reversed(client.describe_stack_events(StackName=name)["StackEvents"]):
            if event["Timestamp"] >= started and event["EventId"] not in told and "FAILED" in event["ResourceStatus"]:
                told.add(event["EventId"])
                failures.append(f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', event['ResourceStatus'])}")
                tell(failures[-1])
        if not status.endswith("_IN_PROGRESS"):
            if status in good:
                return
            raise NotDone(f"{name} is {status}; what went wrong first: {failures[0] if failures else 'see its events'}")
        time.sleep(poll_s)


def main(arguments: Sequence[str]) -> int:
    """Package, deploy and look at the stage named by STAGE (default dev)."""
    parser = argparse.ArgumentParser(prog="make deploy", description="Package and deploy a stage.")
    parser.add_argument("--no-smoke", action="store_true", help="do not look at what was deployed")
    asked = parser.parse_args(arguments)
    try:
        settings = Settings.from_env({"STAGE": "dev", **{k: v for k, v in os.environ.items() if k in ("STAGE", "CONCAVE_APPS")}})
        assert settings.stage is not None
        where = account()  # before the packaging: a missing key should be said at once
        folder = BUILD / settings.stage
        package(settings.stage, settings.apps, folder)
        sys.stdout.write(f"deploying {stack_name(settings.stage)} to account {where.number} in {where.region}\n")
        data = Deployed(settings.stage, settings.apps, where.region)

        def tell(line: str) -> None:
            sys.stdout.write(f"  {line}\n")
            sys.stdout.flush()

        looked_up(where.client("lambda"), os.environ, tell)
        url = deploy(where, settings.stage, folder, os.environ, tell, data)
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()
        return 0 if asked.no_smoke or smoke(where, settings.stage, data, os.environ) else 1
    except (NotDone, NotPackaged, BadSetting, ConcaveError, BotoCoreError, ClientError) as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
