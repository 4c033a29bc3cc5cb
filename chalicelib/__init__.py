"""Concave: a reactive backend that you own. These are the words that functions are written in."""

from chalicelib.data.errors import Refused
from chalicelib.data.paging import Page, PaginationOptions
from chalicelib.data.tables import Index, Table
from chalicelib.data.values import Int64
from chalicelib.runtime.contexts import ActionCtx, MutationCtx, QueryCtx
from chalicelib.runtime.crons import Crons
from chalicelib.runtime.registry import action, internal_action, internal_mutation, internal_query, mutation, query, sweep

__all__ = [
    "ActionCtx",
    "Crons",
    "Index",
    "Int64",
    "MutationCtx",
    "Page",
    "PaginationOptions",
    "QueryCtx",
    "Refused",
    "Table",
    "action",
    "internal_action",
    "internal_mutation",
    "internal_query",
    "mutation",
    "query",
    "sweep",
]
