"""The stages of both APIs: what Chalice leaves out of them."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

from infra.template.merge import MatchesNothing, Template
from infra.template.parts import API_STAGE, Deployment, Resource, Resources, att, either, ref, sub

REST, STAGE, ONCE = "RestAPI", "WebsocketAPIStage", "WebsocketAPIDeployment"


def without_deployment(packaged: Mapping[str, Any]) -> Template:
    """What `chalice package` wrote, without its deployment of the WebSocket API.

    Its name never changes, so CloudFormation would make it once, and a route that changes later would reach nobody. The stage
    deploys itself instead (`AutoDeploy` of AWS::ApiGatewayV2::Stage, as the CDK's WebSocketStage does).

    Raises:
        MatchesNothing: Chalice writes it in another way.
    """
    made = copy.deepcopy(dict(packaged))
    resources = made["Resources"]
    if ONCE not in resources or "DeploymentId" not in resources.get(STAGE, {}).get("Properties", {}):
        raise MatchesNothing(f"{ONCE} and its {STAGE} are not in the packaged template")
    routes = resources.pop(ONCE)["DependsOn"]
    stage = resources[STAGE]
    del stage["Properties"]["DeploymentId"]
    stage["DependsOn"] = routes
    return made


ACCESS = {
    "requestId": "$context.requestId",
    "time": "$context.requestTime",
    "ip": "$context.identity.sourceIp",
    "status": "$context.status",
    "error": "$context.error.message",
    "integration": "$context.integrationErrorMessage",
}
"""A line of an access log. Addresses are the API's own route, never what the client asked for: queries carry tokens."""
ACCESS_HTTP = ACCESS | {
    "method": "$context.httpMethod",
    "path": "$context.path",
    "bytes": "$context.responseLength",
    "latencyMs": "$context.responseLatency",
    "integrationMs": "$context.integrationLatency",
}
"""`path` is the path alone: the query is no part of it ("$context variables" of REST APIs)."""
ACCESS_SOCKETS = ACCESS | {
    "route": "$context.routeKey",
    "event": "$context.eventType",
    "connection": "$context.connectionId",
    "integrationMs": "$context.integrationLatency",
}


def _access(deployment: Deployment, which: str) -> Resource:
    return {
        "Type": "AWS::Logs::LogGroup",
        "Condition": "HasAccessLogs",
        "Properties": {"LogGroupName": f"/aws/apigateway/{deployment.name(which)}", "RetentionInDays": ref("LogRetentionDays")},
    }


def _logged(group: str, line: dict[str, str]) -> Resource:
    return either("HasAccessLogs", {"DestinationArn": att(group, "Arn"), "Format": json.dumps(line)})


def apis(deployment: Deployment) -> Resources:
    """Both APIs' access logs, and the patches of both.

    One deploys itself; the other has the stage's name, under which CloudWatch counts its errors. Both are throttled: API Gateway
    counts requests, frames and posts to sockets against one limit of the account, and a flood at the door must leave room for the
    posts. A burst is one second's worth.
    """
    frames, requests = ref("FramesPerSecond"), ref("RequestsPerSecond")
    sockets = {"AutoDeploy": True, "DefaultRouteSettings": {"ThrottlingRateLimit": frames, "ThrottlingBurstLimit": frames}}
    sockets["AccessLogSettings"] = _logged("AccessLogsSockets", ACCESS_SOCKETS)
    every = {"ResourcePath": "/*", "HttpMethod": "*", "ThrottlingRateLimit": requests, "ThrottlingBurstLimit": requests}
    rest = {
        "Name": deployment.name("http"),
        "MethodSettings": [every],
        "AccessLogSetting": _logged("AccessLogsHttp", ACCESS_HTTP),
    }
    return {
        STAGE: {"Properties": sockets},
        REST: {"Properties": rest},
        "AccessLogsHttp": _access(deployment, "http"),
        "AccessLogsSockets": _access(deployment, "sockets"),
    }


def endpoint() -> Resource:
    """The base of `@connections`, where functions post to sockets: ApiEndpoint's, or the region's own."""
    own = "https://${WebsocketAPI}.execute-api.${AWS::Region}.${AWS::URLSuffix}/" + API_STAGE
    return either("HasApiEndpoint", sub("${ApiEndpoint}/${WebsocketAPI}/" + API_STAGE), sub(own))
