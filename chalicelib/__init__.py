"""Concave: a reactive backend that you own. These are the words that functions are written in."""

from chalicelib.data.database import Hit, fused
from chalicelib.data.errors import BadDocument, BadValue, EmbedderFailed, NotUnique, Refused
from chalicelib.data.paging import Page, PaginationOptions
from chalicelib.data.plain import Int64, is_value
from chalicelib.data.side_index import Search, Vector
from chalicelib.data.tables import Index, Table
from chalicelib.runtime.contexts import ActionCtx, MutationCtx, QueryCtx
from chalicelib.runtime.crons import Crons
from chalicelib.runtime.rate_limits import RateLimit
from chalicelib.runtime.registry import action, internal_action, internal_mutation, internal_query, mutation, query, sweep

__all__ = [
    "ActionCtx",
    "BadDocument",
    "BadValue",
    "Crons",
    "EmbedderFailed",
    "Hit",
    "Index",
    "Int64",
    "MutationCtx",
    "NotUnique",
    "Page",
    "PaginationOptions",
    "QueryCtx",
    "RateLimit",
    "Refused",
    "Search",
    "Table",
    "Vector",
    "action",
    "fused",
    "internal_action",
    "internal_mutation",
    "internal_query",
    "is_value",
    "mutation",
    "query",
    "sweep",
]
