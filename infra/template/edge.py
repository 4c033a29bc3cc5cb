"""One host: CloudFront in front of both APIs and the page.

A WebSocket stage has no sub-paths, so a function at the edge writes the path that the client asked for into the query,
where `$connect` reads it; Socket.IO's polls, which have the socket's address, are sent on to the HTTP door. Both origins
are public addresses of their own; a header with a secret, which only CloudFront adds, keeps strangers from going around the
edge (`chalicelib/doors/edge.py` asks for it).

The first pattern that a path matches counts, and `*` stands for slashes too: so the doors come before the page's files.
"""

from __future__ import annotations

from typing import Any

from chalicelib.doors.headers import DASHBOARD as DASHBOARD_POLICY
from chalicelib.doors.headers import FRAMES, HSTS_S, page
from chalicelib.doors.routes import ROUTES
from infra.template.parts import API_STAGE, Deployment, Resource, Resources, att, either, ref, sub

HEADER = "x-concave-origin"
SOCKETS = ("/api/sync", "/api/*/sync", "/chat", "/chat/", "/socket.io", "/socket.io/*", "/conversations/*/stream")
"""Paths of the WebSocket doors."""
CALLS = ("/api/run/*",)
"""Functions named in the path: none of them is a socket, also when it is called `sync`."""
DOORS = ("/api/*", *sorted({f"/{route.path.split('/')[1]}/*" for route in ROUTES}))
"""Paths of the HTTP door that must not be taken for files of the page, whatever they end with."""
DASHBOARD = ("/_/", "/_/index.html", "/_/assets/*")
"""Files of the dashboard, which are there with DASHBOARD=on; what else is below `/_/` is the HTTP door's."""
PAGE = ("/", "/assets/*", "/*.html", "/*.js", "/*.css", "/*.svg", "/*.png", "/*.ico", "/*.txt", "/*.webmanifest")
"""Paths of the page, as Vite builds it; it keeps its own addresses behind the #."""

SECRET = "OriginSecret"
ORIGIN_SECRET = sub("{{resolve:secretsmanager:${" + SECRET + "}}}")
"""Resolved by CloudFormation; no template and no output shows it."""

CERTIFICATE = "arn:${AWS::Partition}:acm:us-east-1:${AWS::AccountId}:certificate/${CertificateId}"
"""CloudFront looks for certificates in one region only."""

# AWS's managed policies, by their published ids.
NO_CACHE = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
CACHE = "658327ea-f89d-4fab-a63d-7e88639e58f6"
ALL_BUT_HOST = "b689b0a8-53d0-40ab-baf2-68738e2966ac"
"""API Gateway tells its APIs apart by the Host header: the viewer's own would be refused."""

SOCKET_CODE = """\
import cf from 'cloudfront';
function handler(event) {
  var request = event.request;
  var transport = request.querystring.transport;
  if (request.uri.startsWith('/socket.io') && (!transport || transport.value !== 'websocket')) {
    cf.selectRequestOriginById('http');
    return request;
  }
  request.querystring.path = { value: encodeURIComponent(request.uri) };
  request.uri = '/';
  return request;
}
"""
PAGE_CODE = """\
function handler(event) {
  var request = event.request;
  if (request.uri === '/' || request.uri === '/_/') request.uri += 'index.html';
  return request;
}
"""


def edge(deployment: Deployment) -> Resources:
    """The secret, the page's bucket, both edge functions, what browsers are told, and the distribution; nothing with EDGE=off."""
    made: Resources = {
        SECRET: {
            "Type": "AWS::SecretsManager::Secret",
            "Properties": {
                "Description": "What CloudFront sends to the origins, so that they know it.",
                "GenerateSecretString": {"PasswordLength": 48, "ExcludePunctuation": True},
            },
        },
        "SocketPath": _function(deployment, "socket-path", SOCKET_CODE),
        "SafeHeaders": _headers(deployment, "headers", FRAMES),
        "PageHeaders": _headers(deployment, "page-headers", page(deployment.page)),
        "DashboardHeaders": _headers(deployment, "dashboard-headers", DASHBOARD_POLICY),
        "PagePath": _function(deployment, "page-path", PAGE_CODE),
        "Page": _bucket(),
        "PageAccess": _access(deployment),
        "PagePolicy": _bucket_policy(),
        "Edge": {"Type": "AWS::CloudFront::Distribution", "Properties": {"DistributionConfig": _distribution(deployment)}},
    }
    return {name: {**each, "Condition": "HasEdge"} for name, each in made.items()}


def addresses() -> dict[str, Any]:
    """The stack's outputs that say where users go, and what is behind it."""
    api = sub("https://${RestAPI}.execute-api.${AWS::Region}.${AWS::URLSuffix}/" + API_STAGE)
    edge = either("HasDomain", sub("https://${Domain}"), sub("https://${Edge.DomainName}"))
    return {
        "Url": {"Description": "The one address of this deployment.", "Value": either("HasEdge", edge, api)},
        "PageBucket": {"Description": "Where the page's files go.", "Value": ref("Page"), "Condition": "HasEdge"},
        "EdgeId": {"Description": "The distribution, for invalidations.", "Value": ref("Edge"), "Condition": "HasEdge"},
        "EdgeName": {
            "Description": "What a name of your own points to (CNAME).",
            "Value": att("Edge", "DomainName"),
            "Condition": "HasEdge",
        },
    }


def _function(deployment: Deployment, name: str, code: str) -> Resource:
    return {
        "Type": "AWS::CloudFront::Function",
        "Properties": {
            # Names are one space for the whole account, the region included.
            "Name": sub(deployment.name(name) + "-${AWS::Region}"),
            "AutoPublish": True,
            "FunctionCode": code,
            "FunctionConfig": {"Comment": name, "Runtime": "cloudfront-js-2.0"},
        },
    }


def _headers(deployment: Deployment, name: str, policy: str) -> Resource:
    """What browsers are told with every answer. What the doors say themselves of what may be loaded and told on stays."""
    said = {
        "ContentSecurityPolicy": {"ContentSecurityPolicy": policy, "Override": False},
        "ContentTypeOptions": {"Override": True},
        "FrameOptions": {"FrameOption": "DENY", "Override": True},
        "ReferrerPolicy": {"ReferrerPolicy": "no-referrer", "Override": False},
        "StrictTransportSecurity": {"AccessControlMaxAgeSec": HSTS_S, "IncludeSubdomains": True, "Override": True},
    }
    config = {"Name": sub(deployment.name(name) + "-${AWS::Region}"), "SecurityHeadersConfig": said}
    return {"Type": "AWS::CloudFront::ResponseHeadersPolicy", "Properties": {"ResponseHeadersPolicyConfig": config}}


def _bucket() -> Resource:
    return {
        "Type": "AWS::S3::Bucket",
        "Properties": {
            "PublicAccessBlockConfiguration": {
                "BlockPublicAcls": True,
                "BlockPublicPolicy": True,
                "IgnorePublicAcls": True,
                "RestrictPublicBuckets": True,
            },
            "BucketEncryption": {
                "ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
            },
        },
    }


def _access(deployment: Deployment) -> Resource:
    config = {
        "Name": sub(deployment.name("page") + "-${AWS::Region}"),
        "OriginAccessControlOriginType": "s3",
        "SigningBehavior": "always",
        "SigningProtocol": "sigv4",
    }
    return {"Type": "AWS::CloudFront::OriginAccessControl", "Properties": {"OriginAccessControlConfig": config}}


def _bucket_policy() -> Resource:
    source = sub("arn:${AWS::Partition}:cloudfront::${AWS::AccountId}:distribution/${Edge}")
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "cloudfront.amazonaws.com"},
        "Action": "s3:GetObject",
        "Resource": sub("${Page.Arn}/*"),
        "Condition": {"StringEquals": {"AWS:SourceArn": source}},
    }
    document = {"Version": "2012-10-17", "Statement": [statement]}
    return {"Type": "AWS::S3::BucketPolicy", "Properties": {"Bucket": ref("Page"), "PolicyDocument": document}}


def _distribution(deployment: Deployment) -> Resource:
    behaviours = [_behaviour(path, "http", None) for path in CALLS]
    behaviours += [_behaviour(path, "sockets", "SocketPath") for path in SOCKETS]
    behaviours += [_behaviour(path, "http", None) for path in DOORS]
    for path in (*DASHBOARD, *PAGE):
        behaviours.append(_behaviour(path, "page", "PagePath", cached=path.endswith("/assets/*")))
    default = _behaviour("", "http", None)
    del default["PathPattern"]
    return {
        "Comment": deployment.name("edge"),
        "Enabled": True,
        "HttpVersion": "http2",
        "PriceClass": "PriceClass_100",
        "Aliases": either("HasDomain", [ref("Domain")]),
        "ViewerCertificate": either(
            "HasDomain",
            {
                "AcmCertificateArn": sub(CERTIFICATE),
                "SslSupportMethod": "sni-only",
                "MinimumProtocolVersion": "TLSv1.2_2021",
            },
        ),
        "WebACLId": either("HasWebAcl", ref("WebAclArn")),
        "Origins": [
            _api("http", "${RestAPI}"),
            _api("sockets", "${WebsocketAPI}"),
            {
                "Id": "page",
                "DomainName": att("Page", "RegionalDomainName"),
                "OriginAccessControlId": att("PageAccess", "Id"),
                "S3OriginConfig": {"OriginAccessIdentity": ""},
            },
        ],
        "CacheBehaviors": behaviours,
        "DefaultCacheBehavior": default,
    }


def _api(name: str, api: str) -> Resource:
    return {
        "Id": name,
        "DomainName": sub(api + ".execute-api.${AWS::Region}.${AWS::URLSuffix}"),
        "OriginPath": f"/{API_STAGE}",
        "CustomOriginConfig": {"OriginProtocolPolicy": "https-only", "OriginSSLProtocols": ["TLSv1.2"], "OriginReadTimeout": 30},
        "OriginCustomHeaders": [{"HeaderName": HEADER, "HeaderValue": ORIGIN_SECRET}],
    }


def _behaviour(path: str, origin: str, function: str | None, *, cached: bool = False) -> Resource:
    headers = "DashboardHeaders" if path in DASHBOARD else "PageHeaders" if origin == "page" else "SafeHeaders"
    made: dict[str, Any] = {
        "PathPattern": path,
        "TargetOriginId": origin,
        "ViewerProtocolPolicy": "redirect-to-https" if origin == "page" else "https-only",
        "AllowedMethods": ["GET", "HEAD", "OPTIONS"],
        "ResponseHeadersPolicyId": ref(headers),
        "CachePolicyId": CACHE if cached else NO_CACHE,
        "Compress": origin != "sockets",
    }
    if origin == "http" or path.startswith("/socket.io"):
        made["AllowedMethods"] = ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "POST", "DELETE"]
    if origin != "page":
        made["OriginRequestPolicyId"] = ALL_BUT_HOST
    if function is not None:
        made["FunctionAssociations"] = [{"EventType": "viewer-request", "FunctionARN": att(function, "FunctionARN")}]
    return made
