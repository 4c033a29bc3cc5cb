"""What differs between two deployments of one template, and is given when it is deployed.

Secrets are never parameters: `AnthropicKeySecret` names one in Secrets Manager, and only `generate` may read it.
"""

from __future__ import annotations

from typing import Any

from infra.template.canary import OFF, WAYS
from infra.template.parts import Resource, ref

SETTINGS = {
    "AUTH_ISSUER": ("AuthIssuer", "Token issuers, comma list; empty: everybody is anonymous."),
    "AUTH_AUDIENCE": ("AuthAudience", "The audience of your tokens, one per issuer (* = any)."),
    "AUTH_JWKS": ("AuthJwks", "Key set URLs, one per issuer; empty: OIDC discovery."),
    "AUTH_ORG_CLAIM": ("AuthOrgClaim", "The claim that names the caller's org."),
    "AUTH_ORG_DEFAULT": ("AuthOrgDefault", "The org of tokens that name none; empty: they are refused."),
    "ANONYMOUS": ("Anonymous", "on or off: whether callers without a token are served; empty: on where there is no issuer."),
    "CALLS_PER_SECOND": ("CallsPerSecond", "Calls of one caller that one process serves; 0: no limit."),
    "SUBSCRIPTIONS_PER_CONNECTION": ("SubscriptionsPerConnection", "Live queries of one socket."),
    "WATCHES_PER_CONNECTION": ("WatchesPerConnection", "Documents and ranges that one socket's queries may watch together."),
    "TOKEN_BUDGET_PER_ORG": ("TokenBudgetPerOrg", "Model tokens an org may use per UTC day."),
    "REPLIES_PER_USER": ("RepliesPerUser", "Replies of one user that have not ended; 0: no limit."),
    "SESSIONS_PER_USER": ("SessionsPerUser", "Sessions that one user may have; 0: no limit."),
    "TASKS_PER_USER": ("TasksPerUser", "Tasks that one user may have; 0: no limit."),
    "WORKERS_SHARED": ("WorkersShared", "Workers that everybody of an org may have answer, comma list; empty: none."),
    "AGENTS_PER_USER": ("AgentsPerUser", "Agents that one user may register; 0: no limit."),
    "SOCKETS_PER_USER": ("SocketsPerUser", "Chat sockets that one user or agent may have open; 0: no limit."),
    "CONVERSATIONS_PER_AGENT": ("ConversationsPerAgent", "Conversations without a user that one agent may have; 0: no limit."),
    "MCP_HOSTS": ("McpHosts", "Hosts of MCP servers that conversations may use, comma list (*.example.com = all below)."),
    "MCP_REQUIRE_APPROVAL": ("McpRequireApproval", "always: somebody allows each use of an MCP server's tool; empty: never."),
    "SYSTEM_MCP_SERVERS": ("SystemMcpServers", "MCP servers of every conversation, as JSON; secrets by their names."),
    "GENERATION_TIMEOUT_S": ("GenerationTimeout", "Seconds that one reply may take."),
    "MODEL_FAILURES": ("ModelFailures", "Failures of a model in a row after which a process leaves it alone for 30 s; 0: never."),
    "PUSH_PUBLIC_KEY": ("PushPublicKey", "What browsers subscribe to push messages with (base64url); empty: none are sent."),
    "PUSH_SUBJECT": ("PushSubject", "Whom push services may ask: mailto:you@example.com or https://example.com."),
    "PUSH_HOSTS": ("PushHosts", "Push services, comma list; empty: those of Chrome, Firefox, Edge and Safari."),
    "MCP_COMMANDS": ("McpCommands", "Programs that workers may start as MCP servers, comma list."),
    "VECTORS": ("Vectors", "Where vectors are compared: s3:<bucket> for Amazon S3 Vectors; empty: in the tables' rows."),
    "EMBEDDER": (
        "Embedder",
        "What turns texts into vectors: given, hashing, bedrock:<model id> or an endpoint's URL; empty: given.",
    ),
    "EMBEDDER_MODEL": ("EmbedderModel", "The model that an endpoint of embeddings is asked for."),
    "EMBEDDER_DIMENSIONS": ("EmbedderDimensions", "Numbers of a vector, 2 to 4096."),
    "TRACES_URL": ("TracesUrl", "An OpenTelemetry collector (OTLP over HTTP, ending in /v1/traces); empty: no traces."),
    "MODEL_URL": ("ModelUrl", "Another server that speaks the Messages API; empty: Anthropic."),
}
"""Settings of `chalicelib/settings.py` that are parameters."""

_DEFAULTS = {
    "AUTH_ORG_CLAIM": "org",
    "CALLS_PER_SECOND": "200",
    "SUBSCRIPTIONS_PER_CONNECTION": "1000",
    "WATCHES_PER_CONNECTION": "10000",
    "TOKEN_BUDGET_PER_ORG": "2000000",
    "REPLIES_PER_USER": "200",
    "SESSIONS_PER_USER": "10000",
    "TASKS_PER_USER": "10000",
    "AGENTS_PER_USER": "1000",
    "SOCKETS_PER_USER": "200",
    "CONVERSATIONS_PER_AGENT": "10000",
    "GENERATION_TIMEOUT_S": "840",
    "MODEL_FAILURES": "5",
    "EMBEDDER_DIMENSIONS": "256",
}


_PLATFORM: dict[str, Any] = {
    "EdgeSwitch": {
        "Type": "String",
        "Default": "on",
        "AllowedValues": ["on", "off"],
        "Description": "off: no CloudFront and no page, where an account may not make distributions yet.",
    },
    "AccessLogs": {
        "Type": "String",
        "Default": "off",
        "AllowedValues": ["on", "off"],
        "Description": "on: a line for each request and frame; API Gateway's role for logs must be set in the region once.",
    },
    "Domain": {"Type": "String", "Default": "", "Description": "A name of your own for the edge; empty: CloudFront's."},
    "CertificateId": {
        "Type": "String",
        "Default": "none",
        "AllowedPattern": "^(none|[0-9a-f-]{36})$",
        "Description": "The id of that name's certificate in ACM of us-east-1, where CloudFront looks for it.",
    },
    "WebAclArn": {
        "Type": "String",
        "Default": "",
        "AllowedPattern": r"^(arn:[a-z-]+:wafv2:us-east-1:[0-9]{12}:global/webacl/.+)?$",
        "Description": "A web ACL of AWS WAF with the scope CLOUDFRONT; empty: none.",
    },
    "RequestsPerSecond": {
        "Type": "Number",
        "Default": 2000,
        "MinValue": 1,
        "Description": "HTTP requests that the API takes a second; more are refused with 429.",
    },
    "FramesPerSecond": {
        "Type": "Number",
        "Default": 4000,
        "MinValue": 1,
        "Description": "Frames that sockets may send a second, all together.",
    },
    "VectorBucket": {
        "Type": "String",
        "Default": "none",
        "Description": "The bucket that VECTORS names; make deploy works it out.",
    },
    "BedrockModel": {
        "Type": "String",
        "Default": "none",
        "Description": "The model that EMBEDDER names; make deploy works it out.",
    },
    "DashboardSwitch": {
        "Type": "String",
        "Default": "off",
        "AllowedValues": ["on", "off"],
        "Description": "on: operators by key, and the dashboard at /_/ (docs/operators.md).",
    },
    "OperatorPublicKey": {
        "Type": "String",
        "Default": "",
        "AllowedPattern": "^([0-9a-f]{64}(,[0-9a-f]{64})*)?$",
        "Description": "Public halves of the pairs that sign operators' keys, comma list; make deploy works it out.",
    },
    "Canary": {
        "Type": "String",
        "Default": OFF,
        "AllowedValues": [OFF, *WAYS],
        "Description": "How a release takes over: off, at once; else CodeDeploy's configuration for Lambda of this name.",
    },
    "SnapStart": {
        "Type": "String",
        "Default": "off",
        "AllowedValues": ["on", "off"],
        "Description": "on: the functions that people wait for begin from a snapshot; Python 3.12 or later.",
    },
    "FrontReserved": {
        "Type": "Number",
        "Default": 0,
        "MinValue": 0,
        "Description": "Environments kept for each of api, ws_connect and ws_message, which have no more; 0: none kept.",
    },
    "GenerateAtOnce": {
        "Type": "Number",
        "Default": 0,
        "MinValue": 0,
        "Description": "Replies written at once; further ones wait. 0: as many as the account lets.",
    },
}
"""What differs between accounts: names, certificates, and how much of the account's limits a stage takes."""


def parameters() -> Resource:
    """The Parameters section. Every parameter has a default, so that a first deployment needs none."""
    made: dict[str, Any] = {
        name: {"Type": "String", "Default": _DEFAULTS.get(variable, ""), "Description": text}
        for variable, (name, text) in SETTINGS.items()
    }
    made["AnthropicKeySecret"] = {
        "Type": "String",
        "Default": "",
        "AllowedPattern": r"^(arn:[a-z-]+:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:.+)?$",
        "Description": "ARN of the secret that holds the Anthropic API key, as plain text; empty: replies fail and say so.",
    }
    made["SigningKeySecret"] = {
        "Type": "String",
        "Default": "",
        "AllowedPattern": r"^(arn:[a-z-]+:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:.+)?$",
        "Description": "ARN of the secret with the EC P-256 private key (PEM) that signs agents' tokens; empty: no agents.",
    }
    made["SigningPublicKey"] = {
        "Type": "String",
        "Default": "",
        "AllowedPattern": "^[A-Za-z0-9_-]*$",
        "Description": "The public half of that key; make deploy works it out.",
    }
    made["PushKeySecret"] = {
        "Type": "String",
        "Default": "",
        "AllowedPattern": r"^(arn:[a-z-]+:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:.+)?$",
        "Description": "ARN of the secret with the private half of PushPublicKey (base64url); empty: no push messages are sent.",
    }
    made["ApiEndpoint"] = {
        "Type": "String",
        "Default": "",
        "AllowedPattern": r"^(https?://[^ ]+[^/ ])?$",
        "Description": "Where APIs are reached, as URL/<API id>/<stage>, such as a private endpoint's; empty: the region's own.",
    }
    made["AlarmEmail"] = {"Type": "String", "Default": "", "Description": "Who is told of alarms; empty: nobody."}
    made["TokensPerHourAlarm"] = {
        "Type": "Number",
        "Default": 5_000_000,
        "Description": "Model tokens per hour, all orgs together, above which the alarm rings.",
    }
    made["EmbedderKeySecret"] = {
        "Type": "String",
        "Default": "",
        "AllowedPattern": r"^(arn:[a-z-]+:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:.+)?$",
        "Description": "ARN of the secret with the key of an endpoint of embeddings; empty: none is sent.",
    }
    made |= _PLATFORM
    made["LogRetentionDays"] = {
        "Type": "Number",
        "Default": 30,
        "AllowedValues": [1, 3, 5, 7, 14, 30, 60, 90, 180, 365, 731, 1827],
        "Description": "Days that logs are kept.",
    }
    return made


def conditions() -> Resource:
    """The Conditions section."""
    return {
        "HasModelKey": {"Fn::Not": [{"Fn::Equals": [ref("AnthropicKeySecret"), ""]}]},
        "HasSigningKey": {"Fn::Not": [{"Fn::Equals": [ref("SigningKeySecret"), ""]}]},
        "HasPushKey": {"Fn::Not": [{"Fn::Equals": [ref("PushKeySecret"), ""]}]},
        "HasDashboard": {"Fn::Equals": [ref("DashboardSwitch"), "on"]},
        "HasEdge": {"Fn::Equals": [ref("EdgeSwitch"), "on"]},
        "HasAccessLogs": {"Fn::Equals": [ref("AccessLogs"), "on"]},
        "HasDomain": {"Fn::Not": [{"Fn::Equals": [ref("Domain"), ""]}]},
        "HasWebAcl": {"Fn::Not": [{"Fn::Equals": [ref("WebAclArn"), ""]}]},
        "HasVectorBucket": {"Fn::Not": [{"Fn::Equals": [ref("VectorBucket"), "none"]}]},
        "HasBedrockModel": {"Fn::Not": [{"Fn::Equals": [ref("BedrockModel"), "none"]}]},
        "HasEmbedderKey": {"Fn::Not": [{"Fn::Equals": [ref("EmbedderKeySecret"), ""]}]},
        "HasCanary": {"Fn::Not": [{"Fn::Equals": [ref("Canary"), OFF]}]},
        "HasSnapStart": {"Fn::Equals": [ref("SnapStart"), "on"]},
        "HasFrontReserved": {"Fn::Not": [{"Fn::Equals": [ref("FrontReserved"), 0]}]},
        "HasGenerateAtOnce": {"Fn::Not": [{"Fn::Equals": [ref("GenerateAtOnce"), 0]}]},
        "HasApiEndpoint": {"Fn::Not": [{"Fn::Equals": [ref("ApiEndpoint"), ""]}]},
        "HasAlarmEmail": {"Fn::Not": [{"Fn::Equals": [ref("AlarmEmail"), ""]}]},
    }
