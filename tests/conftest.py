"""What holds for every test."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("unhurried", deadline=None)  # how long an example takes is the machine's business, not a finding
settings.load_profile("unhurried")
