"""The policy of who deploys one stage: `python -m infra.deployer --account … --region … < template.json`.

Two halves. What the commands themselves ask is `COMMANDS`; a role with this policy deploys on the emulated account. What
CloudFormation asks in the caller's name depends on what the template makes: an entry for each type of resource (`MAKES`, with
what the type's handlers look at and tag, `LOOKS`), and only for types that are there. The emulated account does not check these:
a test compares them with the permissions in the types' published schemas (`aws cloudformation describe-type`).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from infra.account import stack_name
from infra.deployer_looks import ANYWHERE, LOOKS

Statement = dict[str, Any]


def _each(service: str, verbs: str) -> tuple[str, ...]:
    return tuple(f"{service}:{verb}" for verb in verbs.split())


COMMANDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "Stack": (
        "arn:aws:cloudformation:{region}:{account}:stack/{stack}/*",
        _each(
            "cloudformation",
            "CancelUpdateStack CreateChangeSet DeleteChangeSet DeleteStack DescribeChangeSet DescribeStackEvents DescribeStacks"
            " ExecuteChangeSet ListStackResources",
        ),
    ),
    "Bundles": (
        "arn:aws:s3:::concave-deployments-{account}-{region}*",
        ("s3:CreateBucket", "s3:GetObject", "s3:ListBucket", "s3:PutBucketPublicAccessBlock", "s3:PutObject"),
    ),
    "PageFiles": ("arn:aws:s3:::{stack}-page-*", ("s3:DeleteObject", "s3:ListBucket", "s3:PutObject")),
    "Documents": (
        "arn:aws:dynamodb:{region}:{account}:table/{stack}-*",
        _each("dynamodb", "BatchGetItem ConditionCheckItem DeleteItem DescribeTable GetItem PutItem Query Scan UpdateItem"),
    ),
    "OldLayers": (
        "arn:aws:lambda:{region}:{account}:layer:{stack}-*",
        ("lambda:DeleteLayerVersion", "lambda:ListLayerVersions"),
    ),
    "Releases": (
        "arn:aws:lambda:{region}:{account}:function:{stack}-*",
        ("lambda:DeleteFunction", "lambda:GetAlias", "lambda:ListVersionsByFunction", "lambda:UpdateAlias"),
    ),
    "Limits": ("*", ("lambda:GetAccountSettings",)),
    "SigningKey": ("{signing}", ("secretsmanager:GetSecretValue",)),
    "Tables": ("*", ("dynamodb:ListTables",)),
    "Posts": ("arn:aws:execute-api:{region}:{account}:*/POST/@connections/*", ("execute-api:ManageConnections",)),
}
"""By the statement's name: where, and what the commands ask there. `{stack}` is `concave-<stage>`."""

_TRANSFORM = "arn:aws:cloudformation:{region}:aws:transform/Serverless-2016-10-31"
_LAMBDA = "arn:aws:lambda:{region}:{account}:"
MAKES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "AWS::DynamoDB::Table": (
        ("arn:aws:dynamodb:{region}:{account}:table/{stack}-*",),
        _each(
            "dynamodb",
            "CreateTable DeleteTable Describe* GetResourcePolicy ListTagsOfResource TagResource UntagResource"
            " UpdateContinuousBackups UpdateTable UpdateTimeToLive",
        ),
    ),
    "AWS::Serverless::Function": (
        (_LAMBDA + "function:{stack}-*",),
        _each(
            "lambda",
            "CreateAlias CreateFunction DeleteAlias DeleteFunction* GetAlias GetFunction* GetProvisionedConcurrencyConfig"
            " GetRuntimeManagementConfig ListTags ListVersionsByFunction PublishVersion PutFunction* TagResource UntagResource"
            " UpdateAlias UpdateFunction*",
        ),
    ),
    "AWS::Lambda::Permission": (
        (_LAMBDA + "function:{stack}-*",),
        ("lambda:AddPermission", "lambda:GetPolicy", "lambda:RemovePermission"),
    ),
    "AWS::Lambda::EventSourceMapping": (
        (_LAMBDA + "event-source-mapping:*",),
        tuple(f"lambda:{verb}EventSourceMapping" for verb in ("Create", "Delete", "Get", "Update")),
    ),
    "AWS::Serverless::LayerVersion": (
        (_LAMBDA + "layer:{stack}-*",),
        ("lambda:DeleteLayerVersion", "lambda:GetLayerVersion", "lambda:PublishLayerVersion"),
    ),
    "AWS::IAM::Role": (
        ("arn:aws:iam::{account}:role/{stack}-*",),
        (
            "iam:AttachRolePolicy",
            "iam:CreateRole",
            "iam:DeleteRole",
            "iam:DeleteRolePolicy",
            "iam:DetachRolePolicy",
            "iam:GetRole",
            "iam:GetRolePolicy",
            "iam:List*RolePolicies",
            "iam:PassRole",
            "iam:PutRolePolicy",
            "iam:TagRole",
            "iam:UntagRole",
            "iam:UpdateAssumeRolePolicy",
        ),
    ),
    "AWS::IAM::ManagedPolicy": (
        ("arn:aws:iam::{account}:policy/{stack}-*",),
        ("iam:CreatePolicy*", "iam:DeletePolicy*", "iam:GetPolicy*", "iam:ListPolicyVersions"),
    ),
    "AWS::Serverless::Api": (
        ("arn:aws:apigateway:{region}::/restapis*", "arn:aws:apigateway:{region}::/tags/*"),
        ("apigateway:DELETE", "apigateway:GET", "apigateway:PATCH", "apigateway:POST", "apigateway:PUT"),
    ),
    "AWS::ApiGatewayV2::Api": (
        ("arn:aws:apigateway:{region}::/apis*", "arn:aws:apigateway:{region}::/tags/*"),
        ("apigateway:DELETE", "apigateway:GET", "apigateway:PATCH", "apigateway:POST", "apigateway:PUT"),
    ),
    "AWS::SQS::Queue": (
        ("arn:aws:sqs:{region}:{account}:{stack}-*",),
        (
            "sqs:CreateQueue",
            "sqs:DeleteQueue",
            "sqs:GetQueueAttributes",
            "sqs:ListQueueTags",
            "sqs:SetQueueAttributes",
            "sqs:TagQueue",
        ),
    ),
    "AWS::SNS::Topic": (
        ("arn:aws:sns:{region}:{account}:{stack}-*",),
        (
            "sns:CreateTopic",
            "sns:DeleteTopic",
            "sns:GetTopicAttributes",
            "sns:ListSubscriptionsByTopic",
            "sns:ListTagsForResource",
            "sns:SetTopicAttributes",
            "sns:Subscribe",
            "sns:TagResource",
        ),
    ),
    "AWS::Logs::LogGroup": (
        ("arn:aws:logs:{region}:{account}:log-group:/aws/*/{stack}-*",),
        (
            "logs:CreateLogGroup",
            "logs:DeleteLogGroup",
            "logs:DeleteMetricFilter",
            "logs:ListTagsForResource",
            "logs:PutMetricFilter",
            "logs:PutRetentionPolicy",
            "logs:TagResource",
        ),
    ),
    "AWS::CloudWatch::Alarm": (
        ("arn:aws:cloudwatch:{region}:{account}:alarm:{stack}-*",),
        ("cloudwatch:DeleteAlarms", "cloudwatch:ListTagsForResource", "cloudwatch:PutMetricAlarm", "cloudwatch:TagResource"),
    ),
    "AWS::CloudWatch::Dashboard": (
        ("arn:aws:cloudwatch::{account}:dashboard/{stack}-*",),
        ("cloudwatch:DeleteDashboards", "cloudwatch:GetDashboard", "cloudwatch:PutDashboard"),
    ),
    "AWS::Events::Rule": (
        ("arn:aws:events:{region}:{account}:rule/{stack}-*",),
        ("events:DeleteRule", "events:DescribeRule", "events:PutRule", "events:PutTargets", "events:RemoveTargets"),
    ),
    "AWS::CodeDeploy::Application": (
        tuple(
            "arn:aws:codedeploy:{region}:{account}:" + kind
            for kind in ("application:{stack}-*", "deploymentgroup:{stack}-*/*", "deploymentconfig:CodeDeployDefault.Lambda*")
        ),
        _each(
            "codedeploy",
            "CreateApplication CreateDeployment CreateDeploymentGroup DeleteApplication DeleteDeploymentGroup GetApplication"
            " GetApplicationRevision GetDeployment GetDeploymentConfig GetDeploymentGroup ListDeployments ListTagsForResource"
            " RegisterApplicationRevision StopDeployment TagResource UntagResource UpdateDeploymentGroup",
        ),
    ),
    "AWS::SecretsManager::Secret": (
        ("arn:aws:secretsmanager:{region}:{account}:secret:OriginSecret-*",),
        (
            "secretsmanager:CreateSecret",
            "secretsmanager:DeleteSecret",
            "secretsmanager:DescribeSecret",
            "secretsmanager:GetSecretValue",
            "secretsmanager:TagResource",
            "secretsmanager:UpdateSecret",
        ),
    ),
    "AWS::S3::Bucket": (
        ("arn:aws:s3:::{stack}-page-*",),
        (
            "s3:CreateBucket",
            "s3:DeleteBucket",
            "s3:DeleteBucketPolicy",
            "s3:PutBucketPolicy",
            "s3:PutBucketPublicAccessBlock",
            "s3:PutBucketTagging",
            "s3:PutEncryptionConfiguration",
        ),
    ),
    "AWS::CloudFront::Distribution": (
        tuple(
            "arn:aws:cloudfront::{account}:" + kind
            for kind in ("distribution/*", "function/{stack}-*", "origin-access-control/*", "response-headers-policy/*")
        ),
        (
            "cloudfront:Create*",
            "cloudfront:Delete*",
            "cloudfront:DescribeFunction",
            "cloudfront:Get*",
            "cloudfront:ListTagsForResource",
            "cloudfront:PublishFunction",
            "cloudfront:TagResource",
            "cloudfront:Update*",
        ),
    ),
}
"""By type: where, and what its handlers ask."""
WITH = {
    "AWS::ApiGatewayV2::Integration": "AWS::ApiGatewayV2::Api",
    "AWS::ApiGatewayV2::Route": "AWS::ApiGatewayV2::Api",
    "AWS::ApiGatewayV2::Stage": "AWS::ApiGatewayV2::Api",
    "AWS::CloudFront::Function": "AWS::CloudFront::Distribution",
    "AWS::CloudFront::OriginAccessControl": "AWS::CloudFront::Distribution",
    "AWS::CloudFront::ResponseHeadersPolicy": "AWS::CloudFront::Distribution",
    "AWS::CodeDeploy::DeploymentGroup": "AWS::CodeDeploy::Application",
    "AWS::Lambda::Alias": "AWS::Serverless::Function",
    "AWS::Lambda::EventInvokeConfig": "AWS::Serverless::Function",
    "AWS::Lambda::Version": "AWS::Serverless::Function",
    "AWS::Logs::MetricFilter": "AWS::Logs::LogGroup",
    "AWS::S3::BucketPolicy": "AWS::S3::Bucket",
    "AWS::SNS::Subscription": "AWS::SNS::Topic",
}
"""Types whose handlers ask what another's entry says."""


def policy(template: Mapping[str, Any], stage: str, account: str, region: str, signing: str = "") -> dict[str, Any]:
    """A policy document with which this template can be deployed, and nothing else.

    Args:
        template: as packaged.
        stage: the stage's name.
        account: the account's number.
        region: where it is deployed.
        signing: the ARN of the secret with the key that signs agents' tokens; empty without one.

    Raises:
        LookupError: the template makes something of a type that nothing is known of here.
    """
    values = {"stack": stack_name(stage), "account": account, "region": region, "signing": signing}
    made = [
        _allow(name, actions, [where.format(**values)])
        for name, (where, actions) in COMMANDS.items()
        if name != "SigningKey" or signing
    ]
    made.append(_allow("Transform", ("cloudformation:CreateChangeSet",), [_TRANSFORM.format(**values)]))
    kinds = {each["Type"] for each in template["Resources"].values()}
    if any("Events" in each.get("Properties", {}) for each in template["Resources"].values()):
        kinds.add("AWS::Events::Rule")  # a schedule of a function
    unknown = sorted(kinds - MAKES.keys() - WITH.keys())
    if unknown:
        raise LookupError(f"what deploying {', '.join(unknown)} asks for is not known: say it in infra/deployer.py")
    made.append(_allow("Anywhere", sorted(action for kind in kinds for action in ANYWHERE.get(kind, ())), ["*"]))
    for kind in sorted({WITH.get(each, each) for each in kinds}):
        places, actions = MAKES[kind]
        named = [each.format(**values) for each in places]
        made.append(_allow(kind.replace("AWS::", "").replace("::", ""), (*actions, *LOOKS.get(kind, ())), named))
    return {"Version": "2012-10-17", "Statement": made}


def _allow(name: str, actions: Sequence[str], places: list[str]) -> Statement:
    return {"Sid": name, "Effect": "Allow", "Action": list(actions), "Resource": places}


def main(arguments: Sequence[str]) -> int:
    """Print the policy for the template on stdin, of the stage named by STAGE (default dev)."""
    parser = argparse.ArgumentParser(prog="python -m infra.deployer", description="The policy of who deploys a stage.")
    parser.add_argument("--account", required=True, help="the account's number")
    parser.add_argument("--region", required=True, help="where it is deployed")
    asked = parser.parse_args(arguments)
    env = os.environ
    found = policy(
        json.load(sys.stdin), env.get("STAGE") or "dev", asked.account, asked.region, env.get("SIGNING_KEY_SECRET", "")
    )
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
