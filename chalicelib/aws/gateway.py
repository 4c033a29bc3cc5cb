"""Posts to WebSocket clients through API Gateway's `@connections`.

A post is tried once. Only an answer is an answer: after a timeout or a broken line nobody knows whether the client got the
text, so the outcome is "unknown" and the caller closes the connection instead of repeating itself.
"""

from __future__ import annotations

import functools
import logging
import threading
from typing import Any

from chalicelib.data.meters import measure
from chalicelib.runtime.ports import Posted

log = logging.getLogger("concave.gateway")

CONNECT_S, READ_S = 2.0, 5.0
"""A post takes milliseconds. Longer than this, and the lease under which it is sent would be at risk."""
POOL = 50
"""Fan-out posts to this many connections at once."""

_POSTED: dict[int, Posted] = {410: "gone", 413: "too_large"}


class ApiGateway:
    """The backend's `Gateway`.

    Args:
        endpoint: WS_ENDPOINT, the base URL of `@connections` (`https://ID.execute-api.REGION.amazonaws.com/STAGE`).
        sign: False for a server on this machine, which asks for no credentials.
        refused_is_gone: nobody listening at a local endpoint means that its process died, and all its sockets with it.
    """

    def __init__(self, endpoint: str, *, sign: bool = True, refused_is_gone: bool = False) -> None:
        self._endpoint, self._sign, self._refused = endpoint, sign, 410 if refused_is_gone else 0
        self._made = threading.Lock()

    def warm(self) -> None:
        """Make the client now, where nobody waits for it."""
        with self._made:
            _ = self._client

    def post(self, connection: str, text: str) -> Posted:
        """Send one message (at most 128 KB). Anything but "ok" means that it may not have arrived; see `Posted`."""
        status = self._ask("post_to_connection", ConnectionId=connection, Data=text.encode())
        outcome: Posted = "ok" if status == 200 else _POSTED.get(status, "unknown")
        if outcome in ("unknown", "too_large"):
            measure("FailedPosts")
        return outcome

    def is_open(self, connection: str) -> bool:
        """Whether its handshake is over. Inside `$connect`, and until API Gateway has taken in its answer, it is not."""
        return self._ask("get_connection", ConnectionId=connection) == 200

    def close(self, connection: str) -> bool:
        """End a connection. True: API Gateway has confirmed that it is closed, or knew it no longer."""
        return self._ask("delete_connection", ConnectionId=connection) in (200, 204, 410)

    def _ask(self, operation: str, **parameters: Any) -> int:
        """The HTTP status of one call, 0 when there was none."""
        from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError

        try:
            with self._made:
                client = self._client
            answer = getattr(client, operation)(**parameters)
            return int(answer["ResponseMetadata"]["HTTPStatusCode"])
        except ClientError as error:
            status = int(error.response["ResponseMetadata"]["HTTPStatusCode"])
            if status != 410:
                log.warning("%s to %s: %s", operation, parameters["ConnectionId"], error)
            return status
        except EndpointConnectionError as error:
            log.warning("%s to %s: %s", operation, parameters["ConnectionId"], error)
            return self._refused
        except BotoCoreError as error:
            log.warning("%s to %s: %s", operation, parameters["ConnectionId"], error)
            return 0

    @functools.cached_property
    def _client(self) -> Any:
        """Made on first use: boto3 costs a third of a second, and most invocations of most functions post nothing."""
        import boto3
        from botocore import UNSIGNED
        from botocore.config import Config

        config = Config(
            retries={"total_max_attempts": 1},
            connect_timeout=CONNECT_S,
            read_timeout=READ_S,
            max_pool_connections=POOL,
            tcp_keepalive=True,
        )
        region = None
        if not self._sign:
            config = config.merge(Config(signature_version=UNSIGNED))
            region = "local"
        return boto3.client("apigatewaymanagementapi", endpoint_url=self._endpoint, region_name=region, config=config)
