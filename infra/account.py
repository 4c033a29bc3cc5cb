"""The AWS account that is deployed to: who we are there, and the bucket for what is uploaded."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError


class NotDone(Exception):
    """AWS, or a rule of ours, does not let it happen; the message says what to do."""


@dataclass(frozen=True)
class Account:
    """An account and a region, with credentials that work."""

    session: boto3.Session
    number: str
    region: str

    def client(self, service: Any) -> Any:
        """A client of a service there."""
        return self.session.client(service)


def stack_name(stage: str) -> str:
    """The CloudFormation stack of a stage."""
    return f"concave-{stage}"


def account() -> Account:
    """The account of the usual credentials (environment, profile, role) and the usual region.

    Raises:
        NotDone: there are no credentials, no region, or AWS does not take them.
    """
    session = boto3.Session()
    try:
        who = session.client("sts").get_caller_identity()
    except NoRegionError as error:
        raise NotDone("no region: set AWS_REGION (and AWS_DEFAULT_REGION), or `aws configure`") from error
    except NoCredentialsError as error:
        raise NotDone("no credentials: `aws configure`, or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and its secret") from error
    except (BotoCoreError, ClientError) as error:
        raise NotDone(f"AWS does not take these credentials: {error}") from error
    return Account(session, who["Account"], str(session.region_name))


def upload(where: Account, stage: str, file: Path) -> tuple[str, str]:
    """Put a file into the bucket of deployments, under a name made of its content; the same content is sent once.

    Returns:
        Bucket and key.
    """
    bucket = f"concave-deployments-{where.number}-{where.region}"
    key = f"{stage}/{hashlib.sha256(file.read_bytes()).hexdigest()[:32]}{file.suffix}"
    client = where.client("s3")
    _make_bucket(client, bucket, where.region)
    try:
        client.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("404", "NoSuchKey", "NotFound"):
            raise NotDone(f"the bucket {bucket} cannot be read: {error}") from error
        client.upload_file(str(file), bucket, key)
    return bucket, key


def _make_bucket(client: Any, bucket: str, region: str) -> None:
    """The bucket is shared by the stages of an account and region."""
    try:
        client.head_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("404", "NoSuchBucket"):
            raise NotDone(f"the bucket {bucket} cannot be used: {error}") from error
    else:
        return
    where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    client.create_bucket(Bucket=bucket, **where)
    closed = {"BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True, "RestrictPublicBuckets": True}
    client.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=closed)
