"""What CloudFormation asks in the name of who deploys: each permission of the published schemas is given, or excluded.

CloudFormation acts as its caller. The schema of a resource type names the permissions of its handlers; cfn-lint brings the
schemas. What a handler asks only for a property that our template does not set is excluded by that property.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

import pytest
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from infra.deployer import MAKES, WITH, policy
from infra.deployer_looks import ANYWHERE, LOOKS

Template = dict[str, Any]
REGION = "us-east-1"
BECOMES = {
    "AWS::Serverless::Api": ("AWS::ApiGateway::RestApi", "AWS::ApiGateway::Deployment", "AWS::ApiGateway::Stage"),
    "AWS::Serverless::Function": ("AWS::Lambda::Function", "AWS::Lambda::EventInvokeConfig"),
    "AWS::Serverless::LayerVersion": ("AWS::Lambda::LayerVersion",),
}
"""What the transform of the serverless model makes of a type."""

WITHOUT: dict[str, str] = {
    "CapacityProviderConfig": "lambda:PassCapacityProvider",
    "CodeSigningConfigArn": "lambda:*CodeSigningConfig",
    "ContributorInsightsSpecification": "dynamodb:UpdateContributorInsights",
    "FileSystemConfigs": "elasticfilesystem:* s3files:*",
    "GlobalTableSourceArn": "dynamodb:*TableReplica dynamodb:BatchWriteItem iam:CreateServiceLinkedRole",
    "Groups": "iam:*GroupPolicy",
    "ImportSourceSpecification": "dynamodb:ImportTable s3:GetObjectMetadata logs:CreateLogStream logs:DescribeLogStreams"
    " logs:PutLogEvents",
    "KinesisStreamSpecification": "dynamodb:*KinesisStreamingDestination kinesis:*",
    "MaxSessionDuration": "iam:UpdateRole",
    "OnPremisesInstanceTagFilters": "codedeploy:RegisterOnPremisesInstance",
    "PermissionsBoundary": "iam:*RolePermissionsBoundary",
    "Policy": "apigateway:UpdateRestApiPolicy",
    "ProvisionedConcurrencyConfig": "lambda:*ProvisionedConcurrencyConfig",
    "PublishToLatestPublished": "lambda:PublishVersion",
    "ReplicaRegions": "secretsmanager:*Replicat* secretsmanager:RemoveRegionsFromReplication",
    "ResourcePolicy": "dynamodb:*ResourcePolicy",
    "RuntimeManagementConfig": "lambda:PutRuntimeManagementConfig lambda:AssociateRuntimeAlias",
    "Users": "iam:*UserPolicy",
    "VpcConfig": "ec2:*",
    # Of buckets.
    "AbacStatus": "s3:PutBucketAbac",
    "AccelerateConfiguration": "s3:PutAccelerateConfiguration",
    "AccessControl": "s3:PutBucketAcl s3:PutObjectAcl",
    "AnalyticsConfigurations": "s3:PutAnalyticsConfiguration s3:DeleteBucketAnalyticsConfiguration",
    "CorsConfiguration": "s3:*BucketCors s3:PutBucketCORS",
    "IntelligentTieringConfigurations": "s3:PutIntelligentTieringConfiguration",
    "InventoryConfigurations": "s3:PutInventoryConfiguration",
    "LifecycleConfiguration": "s3:PutLifecycleConfiguration s3:DeleteBucketLifecycle",
    "LoggingConfiguration": "s3:PutBucketLogging",
    "MetadataTableConfiguration": "s3:*BucketMetadata* s3tables:*",
    "MetricsConfigurations": "s3:PutMetricsConfiguration s3:DeleteBucketMetricsConfiguration",
    "NotificationConfiguration": "s3:PutBucketNotification",
    "ObjectLockConfiguration": "s3:Put*ObjectLockConfiguration",
    "OwnershipControls": "s3:PutBucketOwnershipControls",
    "ReplicationConfiguration": "s3:PutReplicationConfiguration s3:*BucketReplication",
    "VersioningConfiguration": "s3:PutBucketVersioning",
    "WebsiteConfiguration": "s3:*BucketWebsite",
    # Of log groups and topics.
    "BearerTokenAuthenticationEnabled": "logs:PutBearerTokenAuthentication",
    "DataProtectionPolicy": "*:*DataProtectionPolicy logs:CreateLogDelivery firehose:TagDeliveryStream s3:REST.PUT.OBJECT",
    "DeletionProtectionEnabled": "logs:PutLogGroupDeletionProtection",
    "FieldIndexPolicies": "logs:*IndexPolicy",
    "FilterPolicy": "sns:SetSubscriptionAttributes",
    "ResourcePolicyDocument": "logs:*ResourcePolicy logs:DescribeResourcePolicies",
    "SubscriptionRoleArn": "iam:GetRole",
    # Keys of one's own; without them AWS's own encrypt.
    "KmsKeyArn": "kms:*",
    "KmsKeyId": "kms:* logs:*ssociateKmsKey",
    "KmsMasterKeyId": "kms:*",
    "SSESpecification": "kms:*",
}
"""By a property that the template does not set: permissions that only it asks for."""

NOT_ASKED = {
    "s3:DeleteBucketEncryption": "AWS has no such action: it is asked as PutEncryptionConfiguration",
    "iam:UpdateRoleDescription": "roles have no description",
    "s3:GetObjectVersion": "bundles are named by their content, without a version",
}


def _asked(kind: str) -> Iterator[str]:
    """What the handlers of a type ask; a stack never lists."""
    for each in BECOMES.get(kind, (kind,)):
        for handler, says in PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, each).schema["handlers"].items():
            if handler != "list":
                yield from says["permissions"]


def _kinds(template: Template) -> list[str]:
    return sorted({each["Type"] for each in template["Resources"].values()} | {"AWS::Events::Rule"})


def _given(template: Template) -> list[str]:
    made = policy(template, "dev", "123456789012", REGION)
    return [action.lower() for each in made["Statement"] for action in each["Action"]]


def _properties(template: Template) -> set[str]:
    """Of all resources, on their first level."""
    return {name for each in template["Resources"].values() for name in each.get("Properties", {})}


def _excluded(action: str, properties: set[str]) -> bool:
    return action in NOT_ASKED or any(
        fnmatchcase(action, pattern)
        for name, patterns in WITHOUT.items()
        if name not in properties
        for pattern in patterns.split()
    )


def _lacking(template: Template, given: list[str]) -> list[str]:
    properties = _properties(template)
    return [
        f"{kind}: {action}"
        for kind in _kinds(template)
        for action in sorted(set(_asked(kind)))
        if not any(fnmatchcase(action.lower(), each) for each in given) and not _excluded(action, properties)
    ]


def test_all_that_the_handlers_of_the_templates_types_ask_is_given_or_excluded(template: Template) -> None:
    assert _lacking(template, _given(template)) == []


@pytest.mark.parametrize(
    "action",
    ["secretsmanager:GetRandomPassword", "events:TagResource", "lambda:CreateEventSourceMapping", "iam:PassRole", "sqs:TagQueue"],
)
def test_one_that_is_taken_out_is_found(template: Template, action: str) -> None:
    less = [each for each in _given(template) if each != action.lower()]
    assert any(line.endswith(action) for line in _lacking(template, less))


def test_a_property_that_comes_later_brings_its_permissions_back(template: Template) -> None:
    name, table = next((name, each) for name, each in template["Resources"].items() if each["Type"] == "AWS::DynamoDB::Table")
    more = {**table, "Properties": {**table["Properties"], "KinesisStreamSpecification": {}}}
    lacking = _lacking({**template, "Resources": {**template["Resources"], name: more}}, _given(template))
    assert "AWS::DynamoDB::Table: kinesis:DescribeStream" in lacking


def test_nothing_is_given_that_no_handler_of_its_type_asks(template: Template) -> None:
    # A function's tags are read with it; a role is passed to the functions that have it.
    ours = {"lambda:ListTags", "iam:PassRole"}
    for kind, (_, actions) in MAKES.items():
        kinds = [kind, *(each for each, like in WITH.items() if like == kind)]
        asked = {action.lower() for each in kinds for action in _asked(each)}
        more = (*actions, *LOOKS.get(kind, ()), *ANYWHERE.get(kind, ()))
        unused = [each for each in more if not any(fnmatchcase(action, each.lower()) for action in asked)]
        assert set(unused) <= ours, kind
    assert (LOOKS.keys() - MAKES.keys(), ANYWHERE.keys() - MAKES.keys() - WITH.keys()) == (set(), set())
