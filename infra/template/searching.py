"""What the chosen embedder and the chosen place of vectors take: policies of their own, which are there where they are chosen.

A role's inline policies have 10,240 characters together, and the tables fill them; managed policies count by themselves.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from infra.template.parts import Deployment, Resource, Resources, ref, sub
from infra.template.policies import DOCUMENTS, ROLES, merged

ACTIONS = ("api", "act", "run_job", "generate")
"""Functions that run actions, which alone turn texts into vectors."""
VECTORS = ("CreateIndex", "DeleteVectors", "GetVectors", "ListIndexes", "PutVectors", "QueryVectors")
"""What `aws/vectors.py` asks of Amazon S3 Vectors; a query that is filtered reads vectors too."""


def searching(deployment: Deployment) -> Resources:
    """A policy for the bucket of vectors, one for the model of Bedrock, one for the key of an endpoint."""
    bucket = "arn:${AWS::Partition}:s3vectors:${AWS::Region}:${AWS::AccountId}:bucket/${VectorBucket}"
    model = "arn:${AWS::Partition}:bedrock:*::foundation-model/${BedrockModel}"
    profile = "arn:${AWS::Partition}:bedrock:${AWS::Region}:${AWS::AccountId}:inference-profile/*${BedrockModel}"
    readers = [entry for entry in deployment.functions if "q" in merged(ROLES[entry]).tables.get(DOCUMENTS, "")]

    def policy(condition: str, actions: list[str], where: Any, entries: Iterable[str]) -> Resource:
        statement = {"Effect": "Allow", "Action": actions, "Resource": where}
        return {
            "Type": "AWS::IAM::ManagedPolicy",
            "Condition": condition,
            "Properties": {
                "PolicyDocument": {"Version": "2012-10-17", "Statement": [statement]},
                "Roles": [ref(deployment.functions[entry].role) for entry in entries if entry in deployment.functions],
            },
        }

    verbs = [f"s3vectors:{verb}" for verb in VECTORS]
    key = ["secretsmanager:GetSecretValue"]
    return {
        "VectorsPolicy": policy("HasVectorBucket", verbs, [sub(bucket), sub(f"{bucket}/index/*")], readers),
        "EmbedPolicy": policy("HasBedrockModel", ["bedrock:InvokeModel"], [sub(model), sub(profile)], ACTIONS),
        "EmbedderKeyPolicy": policy("HasEmbedderKey", key, ref("EmbedderKeySecret"), ACTIONS),
    }
