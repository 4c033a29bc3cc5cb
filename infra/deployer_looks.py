"""What CloudFormation looks at and tags, in the name of who deploys, besides what it makes and deletes.

The stack is tagged with its stage, and CloudFormation puts that tag on each resource that can have one. After a change it
reads what it made. Permissions are named as the resource types' schemas name them (`handlers` of `describe-type`).
"""

from __future__ import annotations


def _each(service: str, verbs: str) -> tuple[str, ...]:
    return tuple(f"{service}:{verb}" for verb in verbs.split())


LOOKS: dict[str, tuple[str, ...]] = {
    "AWS::ApiGatewayV2::Api": _each("apigateway", "TagResource UntagResource"),
    "AWS::CloudFront::Distribution": ("cloudfront:UntagResource",),
    "AWS::CloudWatch::Alarm": ("cloudwatch:UntagResource",),
    "AWS::CloudWatch::Dashboard": _each("cloudwatch", "ListTagsForResource TagResource UntagResource"),
    "AWS::Events::Rule": _each("events", "ListTagsForResource ListTargetsByRule TagResource UntagResource"),
    "AWS::IAM::ManagedPolicy": ("iam:ListEntitiesForPolicy",),
    "AWS::Lambda::EventSourceMapping": _each("lambda", "ListTags TagResource UntagResource"),
    "AWS::Logs::LogGroup": _each(
        "logs",
        "DeleteRetentionPolicy DescribeIndexPolicies DescribeMetricFilters GetDataProtectionPolicy UntagResource",
    ),
    "AWS::S3::Bucket": _each("s3", "Get*Configuration GetBucket* ListTagsForResource TagResource UntagResource"),
    "AWS::SNS::Topic": _each("sns", "GetDataProtectionPolicy UntagResource"),
    "AWS::SQS::Queue": _each("sqs", "GetQueueUrl UntagQueue"),
    "AWS::SecretsManager::Secret": ("secretsmanager:UntagResource",),
}
"""By type, in the places of its entry in `MAKES`."""

ANYWHERE: dict[str, tuple[str, ...]] = {
    "AWS::CloudWatch::Alarm": ("cloudwatch:DescribeAlarms",),
    "AWS::Logs::LogGroup": ("logs:DescribeLogGroups",),
    "AWS::SNS::Subscription": _each("sns", "GetSubscriptionAttributes Unsubscribe"),
    "AWS::SecretsManager::Secret": ("secretsmanager:GetRandomPassword",),
}
"""By type: what is asked of no resource, or of a list of all (service authorization reference, column "Resource types")."""
