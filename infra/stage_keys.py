"""The private key of a stage's operators: it stays with who deploys, and the stage is given its public half alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from chalicelib.environment import hex_of, switch_of, text_of
from chalicelib.runtime.operators import public_half
from infra.account import NotDone
from infra.local.operators import operator_key


def private_key(env: Mapping[str, str], folder: Path, stage: str) -> str:
    """What signs the keys of a stage's operators: OPERATOR_KEY, or the secret OPERATOR_KEY_SECRET in Secrets Manager, or the file
    `operator-<stage>.key` of the data folder, which is made where it is missing.

    Args:
        folder: the data folder.

    Raises:
        NotDone: the secret cannot be read, or holds none.
        BadSetting: OPERATOR_KEY is none.
    """
    given = hex_of(env, "OPERATOR_KEY")
    secret = text_of(env, "OPERATOR_KEY_SECRET")
    if not given and secret is not None:
        given = hex_of({"OPERATOR_KEY_SECRET": _read(secret)}, "OPERATOR_KEY_SECRET")
        if not given:
            raise NotDone(f"OPERATOR_KEY_SECRET: {secret} holds no private key")
    return given[0] if given else operator_key(folder, f"operator-{stage}.key")


def _read(secret: str) -> str:
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return str(boto3.client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"])
    except (BotoCoreError, ClientError) as error:
        raise NotDone(f"OPERATOR_KEY_SECRET: the secret cannot be read: {error}") from error


def operators_pair(
    env: Mapping[str, str], stage: str, before: Iterable[Mapping[str, Any]], tell: Callable[[str], object]
) -> dict[str, str]:
    """OPERATOR_PUBLIC_KEY for a deployment with DASHBOARD=on: what the environment says, what its private key comes to, what the
    stage has already, or that of a pair that is made now.

    Args:
        before: the parameters of the last deployment.

    Raises:
        NotDone, BadSetting: see `private_key`.
    """
    if not switch_of(env, "DASHBOARD", False) or hex_of(env, "OPERATOR_PUBLIC_KEY"):
        return {}
    known = any(each["ParameterKey"] == "OperatorPublicKey" and each.get("ParameterValue") for each in before)
    if known and not text_of(env, "OPERATOR_KEY") and not text_of(env, "OPERATOR_KEY_SECRET"):
        return {}
    folder = Path(env.get("DATA_DIR") or os.environ.get("DATA_DIR") or ".concave")
    public = public_half(private_key(env, folder, stage))
    tell(f"operators' keys are signed with OPERATOR_KEY, or with operator-{stage}.key in {folder}: `concave key --stage {stage}`")
    return {"OPERATOR_PUBLIC_KEY": public}
