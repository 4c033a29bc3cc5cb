"""A secret of Secrets Manager, read when it is needed and again every few minutes, so that a new value is found."""

from __future__ import annotations

import logging
import time

log = logging.getLogger("concave.secrets")

KEEP_S = 300.0
"""A rotated secret is in use after this long."""


class Secret:
    """One secret, as text.

    Args:
        name: its ARN or name.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._value: str | None = None
        self._until = 0.0

    def read(self) -> str | None:
        """Its value; the last known one while Secrets Manager does not answer, None when there is none."""
        if time.monotonic() < self._until:
            return self._value
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError

        config = Config(retries={"total_max_attempts": 3}, connect_timeout=2, read_timeout=5)
        try:
            answer = boto3.client("secretsmanager", config=config).get_secret_value(SecretId=self._name)
        except (BotoCoreError, ClientError) as error:
            log.error("the secret %s cannot be read: %s", self._name, error)
            return self._value
        self._value, self._until = answer["SecretString"].strip(), time.monotonic() + KEEP_S
        return self._value
