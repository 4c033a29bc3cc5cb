"""Our part of the template: every noun's resources, in one dict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib.data.store import TableSpec
from infra.template.apis import apis, without_deployment
from infra.template.canary import canaries
from infra.template.edge import addresses, edge
from infra.template.functions import functions
from infra.template.merge import Template, merge
from infra.template.operating import operating
from infra.template.parameters import conditions, parameters
from infra.template.parts import UNSTAMPED, Deployment, Resources, att, functions_of, ref, sub
from infra.template.policies import policies
from infra.template.queues import queues
from infra.template.releases import releases, through_aliases
from infra.template.searching import searching
from infra.template.streams import streams
from infra.template.tables import tables
from infra.template.watching import watching


def write(packaged: Mapping[str, Any], stage: str, apps: Sequence[str], specs: Sequence[TableSpec], page: str = "") -> Template:
    """The deployable template of a stage.

    Args:
        packaged: what `chalice package` wrote.
        stage: the stage's name.
        apps: packages of tables and functions.
        specs: every physical table of those packages.
        page: the built index.html; empty without one.

    Raises:
        MatchesNothing: a patch does not fit what Chalice wrote.
        ValueError: an entry point has no policy, or two resources have one name.
    """
    deployment = Deployment(stage, tuple(apps), functions_of(packaged), specs, page)
    resources: Resources = {}
    for part in (policies, searching, operating, tables, streams, queues, functions, releases, canaries, apis, edge, watching):
        made = part(deployment)
        twice = sorted(set(made) & set(resources))
        if twice:
            raise ValueError(f"two parts of the template write {', '.join(twice)}")
        resources |= made
    ours = {
        "Description": f"Concave, stage {stage}.",
        "Metadata": {"Release": UNSTAMPED},
        "Parameters": parameters(),
        "Conditions": conditions(),
        "Resources": resources,
        "Outputs": outputs(),
    }
    return merge(through_aliases(without_deployment(packaged)), ours)


def outputs() -> dict[str, Any]:
    """What a deployment says about itself."""
    return {
        **addresses(),
        "FailureQueueUrl": {"Description": "What failed for good.", "Value": ref("FailureQueue")},
        "SocketEndpoint": {
            "Description": "The WebSocket API behind the edge.",
            "Value": sub("wss://${WebsocketAPI}.execute-api.${AWS::Region}.${AWS::URLSuffix}/api"),
        },
        "Release": {"Description": "What the aliases were moved to.", "Value": UNSTAMPED},
        "FailureQueueArn": {"Description": "The same queue, for policies.", "Value": att("FailureQueue", "Arn")},
    }
