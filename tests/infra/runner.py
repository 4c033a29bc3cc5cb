"""A Lambda runtime: one process, one handler, one event at a time. Started with the bundle as its only path.

    python -S -s runner.py app.ws_message        events as lines of JSON on stdin, answers as lines of JSON on stdout

Stands alone: nothing but the standard library and what is in the bundle can be imported here.
"""

import faulthandler
import importlib
import json
import os
import signal
import sys
import time
import traceback
import uuid


class Context:
    """What a handler may ask of its invocation."""

    def __init__(self, name: str, timeout_s: float) -> None:
        self.function_name = name
        self.aws_request_id = str(uuid.uuid4())
        self.memory_limit_in_mb = 1024
        self.invoked_function_arn = f"arn:aws:lambda:us-east-1:123456789012:function:{name}"
        self.log_group_name = f"/aws/lambda/{name}"
        self._until = time.monotonic() + timeout_s

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda would end it."""
        return max(0, int((self._until - time.monotonic()) * 1000))


def main() -> None:
    """Serve until stdin ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    faulthandler.register(signal.SIGUSR1)  # says where it hangs
    os.dup2(2, 1)  # whatever a handler prints goes to the log, as in Lambda
    module, _, name = sys.argv[1].rpartition(".")
    handler = getattr(importlib.import_module(module), name)
    for line in sys.stdin:
        asked = json.loads(line)
        context = Context(os.environ["AWS_LAMBDA_FUNCTION_NAME"], asked["timeout"])
        try:
            answer = {"result": handler(asked["event"], context)}
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is a function error
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
