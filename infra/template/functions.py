"""What Chalice's functions lack: names, settings, logs that end, and rules for invocations that nobody waits for."""

from __future__ import annotations

from typing import Any

from chalicelib.data import mount
from infra.template.apis import endpoint
from infra.template.edge import ORIGIN_SECRET
from infra.template.operating import checks
from infra.template.parameters import SETTINGS
from infra.template.parts import ALIAS, UNSTAMPED, Deployment, Function, Resource, Resources, either, ref
from infra.template.policies import ROLES, merged
from infra.template.queues import LATER, queue_id
from infra.template.searching import ACTIONS

FOR_THE_MODEL = ("MODEL_URL",)
AT_THE_EDGE = ("api", "ws_connect")
"""Functions that the outside reaches; they ask for the edge's secret."""
FRONT = ("api", "ws_connect", "ws_message")
"""Functions that somebody waits for: environments can be kept for them, so that a wave of long replies does not shut the door."""
CHAINED = ("on_change", "serve", "act", "run_job", "generate", "sweep")
"""Functions that start one another on purpose, in chains with ends of their own: a job's last hop, a mailbox's last note. Lambda
drops the seventeenth link of a chain unless that is allowed ("recursive loop detection" in its developer guide)."""
SNAPPED = (*FRONT, "on_change", "generate")
"""Functions whose start somebody feels. A snapshot costs by its memory and by the hour, so the others have none."""
WITHOUT_SNAPSTART = ("python3.10", "python3.11")
"""Runtimes that have none ("Improving startup performance with Lambda SnapStart": Python 3.12 and later)."""


def functions(deployment: Deployment) -> Resources:
    """A patch and a log group per function."""
    made: Resources = {}
    for function in deployment.functions.values():
        made[_log_id(function)] = _log_group(deployment, function)
        made[function.logical] = {"Properties": _properties(deployment, function)}
        if function.entry in SNAPPED:  # SnapStart takes published versions, which SAM alone is expected to publish
            made[function.logical]["Metadata"] = {"cfn-lint": {"config": {"ignore_checks": ["W2530"]}}}
    return made


def _log_id(function: Function) -> str:
    return f"{function.logical}Logs"


def _log_group(deployment: Deployment, function: Function) -> Resource:
    return {
        "Type": "AWS::Logs::LogGroup",
        "DeletionPolicy": "Delete",
        "UpdateReplacePolicy": "Retain",
        "Properties": {
            "LogGroupName": f"/aws/lambda/{deployment.name(function.entry)}",
            "RetentionInDays": ref("LogRetentionDays"),
        },
    }


def _properties(deployment: Deployment, function: Function) -> Resource:
    made: Resource = {
        # Fixed names: functions start each other, and a template cannot hold circular references.
        "FunctionName": deployment.name(function.entry),
        "Environment": {"Variables": environment(deployment, function)},
        # Named here, so that the group exists before Lambda would make one that is kept for ever.
        "LoggingConfig": {"LogGroup": ref(_log_id(function))},
    }
    if function.entry in FRONT:
        made["ReservedConcurrentExecutions"] = either("HasFrontReserved", ref("FrontReserved"))
    if function.entry == "generate":
        made["ReservedConcurrentExecutions"] = either("HasGenerateAtOnce", ref("GenerateAtOnce"))
    if function.entry in CHAINED:
        made["RecursiveLoop"] = "Allow"
    if function.entry in SNAPPED:
        made["SnapStart"] = either("HasSnapStart", {"ApplyOn": "PublishedVersions"})
    return made


def environment(deployment: Deployment, function: Function) -> dict[str, Any]:
    """The settings of one function; `chalicelib/settings.py` and `aws/invoke.py` say what they are."""
    grant = merged(ROLES[function.entry])
    made: dict[str, Any] = {"STAGE": deployment.stage, "CONCAVE_APPS": ",".join(deployment.apps)}
    made["RELEASE"] = UNSTAMPED
    if grant.invokes:
        made["INVOKE_ALIAS"] = ALIAS
    if mount.MOUNT:
        made["CHAT_MOUNT"] = mount.MOUNT
    made["WS_ENDPOINT"] = endpoint()
    made |= {name: ref(parameter) for name, (parameter, _) in SETTINGS.items() if name not in FOR_THE_MODEL}
    # A sweep every 10 s (backend.TICK_S): quiet clients hear something in time, Rust-based ones (30 s) and npm (60 s).
    made |= {"PING_SECONDS_RUST": "15", "PING_SECONDS": "45"}
    made |= {f"QUEUE_{entry.upper()}": ref(queue_id(entry)) for entry in LATER if entry in grant.later}
    if function.entry in AT_THE_EDGE:
        made["ORIGIN_SECRET"] = either("HasEdge", ORIGIN_SECRET)
    if function.entry in ACTIONS:
        made["EMBEDDER_KEY_SECRET"] = ref("EmbedderKeySecret")
    made["SIGNING_PUBLIC_KEY"] = ref("SigningPublicKey")
    if checks(function.entry):
        made["OPERATOR_PUBLIC_KEY"] = either("HasDashboard", ref("OperatorPublicKey"))
    if "signing" in grant.secrets:
        made["SIGNING_KEY_SECRET"] = ref("SigningKeySecret")
    if "push" in grant.secrets:
        made["PUSH_KEY_SECRET"] = ref("PushKeySecret")
    if "model" in grant.secrets:
        made |= {name: ref(SETTINGS[name][0]) for name in FOR_THE_MODEL}
        made["ANTHROPIC_API_KEY_SECRET"] = ref("AnthropicKeySecret")
    return made
