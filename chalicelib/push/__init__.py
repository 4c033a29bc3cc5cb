"""Web Push (RFC 8030, 8291, 8292): one message to one browser. The library for it is imported here only, and with the first send.

`sender` sends and says what became of it; `service` does so with this deployment's keys; `outcome` lists what can become of it.
"""

from chalicelib.push.outcome import Delivered, Gone, Outcome, Refused, Retry
from chalicelib.push.sender import Keys, Subscription, send

__all__ = ["Delivered", "Gone", "Keys", "Outcome", "Refused", "Retry", "Subscription", "send"]
