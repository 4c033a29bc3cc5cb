"""`RateLimit`: how often somebody may do something, for the functions of an app.

    sends = RateLimit("send", per_minute=30, capacity=10)

    @mutation
    def send(ctx: MutationCtx, text: str) -> None:
        sends.limit(ctx, key=ctx.user.subject)
        ...

A limit is a part of the mutation that asks: what it takes commits with the mutation, or not at all, so a call that fails costs
nothing, and two calls at once never take the same token. Each key has a limit of its own, in each org.

* **Token bucket** (the default): tokens come steadily, up to `capacity` may be saved for a burst.
* **Fixed window**: the whole rate comes at the beginning of each minute (hour, day, in UTC), and `capacity` may be saved.

One document holds a key's tokens, so calls under one key are committed one after another. A limit that many share at once (one
key for everybody) takes `shards`: each holds its part, a call takes from the fullest of two. It is never more than the limit,
but some of it may go unused. (As Convex's rate limiter component: https://www.convex.dev/components/rate-limiter.)
"""

from __future__ import annotations

import hashlib
import math
import random
import sys
from dataclasses import dataclass
from typing import Literal

from chalicelib.data.errors import BadRequest, Refused, WrongDeclaration
from chalicelib.data.tables import Table
from chalicelib.runtime.contexts import MutationCtx

SECOND_MS, MINUTE_MS, HOUR_MS, DAY_MS = 1000.0, 60_000.0, 3_600_000.0, 86_400_000.0
LONGEST_KEY = 100
MOST_SHARDS = 100
_SLACK = 1e-9
"""Tokens that a sum of fractions may be short by."""

Kind = Literal["token bucket", "fixed window"]


_declared: dict[str, str] = {}
"""Each limit's name, and where it is declared."""


class Bucket(Table, name="rateLimits", ttl="expires_at"):
    """The tokens of one key of one limit, or of one shard of it. One that is full again may vanish."""

    tokens: float
    at: float
    """When that was so (ms since the epoch)."""
    expires_at: float


@dataclass(frozen=True)
class Allowance:
    """Whether a call may go on, and if not, after how many milliseconds it may."""

    ok: bool
    retry_after: float = 0.0


class RateLimit:
    """A limit that mutations ask. Declare it once, at the top of a module.

    Args:
        name: tells limits apart; a deployment has one of each name.
        per_second, per_minute, per_hour, per_day: how many tokens come in that time; exactly one of them is given.
        capacity: how many may be saved; otherwise as many as come in that time.
        kind: "token bucket" or "fixed window".
        shards: how many documents hold the tokens of one key: for keys that many callers share.

    Raises:
        WrongDeclaration: the numbers allow nothing.
    """

    def __init__(
        self,
        name: str,
        *,
        per_second: float | None = None,
        per_minute: float | None = None,
        per_hour: float | None = None,
        per_day: float | None = None,
        capacity: float | None = None,
        kind: Kind = "token bucket",
        shards: int = 1,
    ) -> None:
        by = sys._getframe(1)
        self._place = f"{by.f_code.co_filename}:{by.f_lineno}"
        given = {SECOND_MS: per_second, MINUTE_MS: per_minute, HOUR_MS: per_hour, DAY_MS: per_day}
        rates = [(rate, period) for period, rate in given.items() if rate is not None]
        if len(rates) != 1:
            raise self._wrong(name, "give exactly one of per_second, per_minute, per_hour and per_day")
        self.name, self.kind, self.shards = name, kind, shards
        self.rate, self.period_ms = rates[0]
        self.capacity = self.rate if capacity is None else capacity
        if not name or "|" in name or len(name) > LONGEST_KEY:
            raise self._wrong(name, f"its name has 1 to {LONGEST_KEY} characters, none of them |")
        if kind not in ("token bucket", "fixed window"):
            raise self._wrong(name, "its kind is 'token bucket' or 'fixed window'")
        if not 1 <= shards <= MOST_SHARDS or shards != int(shards):
            raise self._wrong(name, f"shards is a whole number from 1 to {MOST_SHARDS}")
        if not (math.isfinite(self.rate) and self.rate > 0 and math.isfinite(self.capacity) and self.capacity >= shards):
            raise self._wrong(name, "its rate is more than 0, and its capacity at least 1 for each shard")
        if _declared.setdefault(name, self._place) != self._place:
            raise self._wrong(name, f"there is one already at {_declared[name]}")

    def check(self, ctx: MutationCtx, key: str = "", count: float = 1) -> Allowance:
        """Whether `count` tokens could be taken now. Takes nothing."""
        return self._ask(ctx, key, count, take=False)

    def limit(self, ctx: MutationCtx, key: str = "", count: float = 1, *, throws: bool = True) -> Allowance:
        """Take `count` tokens, with the commit of this mutation.

        Args:
            key: whose limit: a user's subject, an address, or nothing for one that all of the org share.
            throws: False returns the answer instead of refusing the call.

        Raises:
            Refused: `RateLimited`, with `name` and `retryAfter` in milliseconds.
            BadRequest: so many tokens are never there at once.
        """
        answer = self._ask(ctx, key, count, take=True)
        if throws and not answer.ok:
            wait = math.ceil(answer.retry_after)
            raise Refused(
                "RateLimited", f"Too many calls ({self.name}): try again in {wait} ms.", name=self.name, retryAfter=wait
            )
        return answer

    def reset(self, ctx: MutationCtx, key: str = "") -> None:
        """Forget what was taken under a key."""
        for shard in range(self.shards):
            found = ctx.db.get(Bucket, self._id(key, shard))
            if found is not None:
                ctx.db.delete(found)

    # Inside ------------------------------------------------------------------------------------------------------------

    def _ask(self, ctx: MutationCtx, key: str, count: float, *, take: bool) -> Allowance:
        if not isinstance(ctx, MutationCtx):
            raise TypeError(f"{self.name}: a rate limit is asked by a mutation; an action calls one that asks.")
        most = self.capacity / self.shards * min(2, self.shards)
        if not (math.isfinite(count) and 0 < count <= most + _SLACK):
            raise BadRequest(f"{self.name}: {count} is more than can ever be taken at once, {most:g}, or no number.", "RateLimit")
        chosen = sorted(((self._tokens(ctx, key, shard), shard) for shard in self._some()), reverse=True)
        missing, taken = count, list[tuple[int, float, float]]()
        for tokens, shard in chosen:
            part = max(0.0, min(tokens, missing))
            taken.append((shard, tokens, part))
            missing -= part
            if missing <= _SLACK:
                break
        if missing > _SLACK:
            return Allowance(False, self._wait(ctx.now, chosen, missing))
        for shard, tokens, part in taken if take else ():
            self._keep(ctx, key, shard, tokens - part)
        return Allowance(True)

    def _some(self) -> list[int]:
        """The shards that one call looks at: two at most."""
        return random.sample(range(self.shards), min(2, self.shards))

    def _tokens(self, ctx: MutationCtx, key: str, shard: int) -> float:
        """How many a shard holds now."""
        found, full = ctx.db.get(Bucket, self._id(key, shard)), self.capacity / self.shards
        if found is None:
            return full
        # Another machine's clock may be ahead; then no time has passed.
        return min(full, found.tokens + self._come(found.at, max(found.at, ctx.now)))

    def _come(self, since: float, until: float) -> float:
        """How many tokens of one shard come between two moments."""
        if self.kind == "token bucket":
            return self.rate / self.shards * (until - since) / self.period_ms
        windows = math.floor(until / self.period_ms) - math.floor(since / self.period_ms)
        return self.rate / self.shards * windows

    def _wait(self, now: float, chosen: list[tuple[float, int]], missing: float) -> float:
        """Milliseconds until `missing` more have come to the shards that were looked at."""
        rate = self.rate / self.shards * len(chosen)
        if self.kind == "token bucket":
            return missing / rate * self.period_ms
        windows = math.ceil(missing / rate - _SLACK)
        return (math.floor(now / self.period_ms) + windows) * self.period_ms - now

    def _keep(self, ctx: MutationCtx, key: str, shard: int, tokens: float) -> None:
        id, full = self._id(key, shard), self.capacity / self.shards
        until = ctx.now + (full - tokens) / (self.rate / self.shards) * self.period_ms + self.period_ms
        found = ctx.db.get(Bucket, id)
        if found is None:
            ctx.db.insert(Bucket(id=id, tokens=tokens, at=ctx.now, expires_at=until))
        else:
            at = max(found.at, ctx.now)
            ctx.db.patch(found, tokens=tokens, at=at, expires_at=max(until, found.expires_at if at > ctx.now else until))

    def _id(self, key: str, shard: int) -> str:
        if not isinstance(key, str):
            raise BadRequest(f"{self.name}: a key is a text, not {type(key).__name__}.", "RateLimit")
        short = key if len(key) <= LONGEST_KEY else f"#{hashlib.sha256(key.encode()).hexdigest()}"
        return f"{self.name}|{shard}|{short}"

    def _wrong(self, name: str, rule: str) -> WrongDeclaration:
        return WrongDeclaration(self._place, f"the rate limit {name!r}: {rule}.")
