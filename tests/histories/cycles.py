"""A graph of dependencies, and the worst kind of cycle in it."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection
from typing import Literal

Kind = Literal["ww", "wr", "rw", "time"]


class Graph:
    """Edges of several kinds between names; an edge from a name to itself is none."""

    def __init__(self) -> None:
        self.edges: dict[str, dict[str, set[Kind]]] = defaultdict(dict)

    def add(self, source: str, target: str, kind: Kind) -> None:
        """One more dependency."""
        if source != target:
            self.edges[source].setdefault(target, set()).add(kind)
            self.edges.setdefault(target, {})

    def path(self, source: str, target: str, kinds: Collection[Kind], inside: Collection[str]) -> list[str] | None:
        """The shortest way along such edges, both ends included; None if there is none."""
        came: dict[str, str] = {source: source}
        waiting = deque([source])
        while waiting:
            here = waiting.popleft()
            if here == target:
                way = [here]
                while way[-1] != source:
                    way.append(came[way[-1]])
                return way[::-1]
            for there, of in self.edges[here].items():
                if there in inside and there not in came and not of.isdisjoint(kinds):
                    came[there] = here
                    waiting.append(there)
        return None

    def components(self) -> list[set[str]]:
        """What can be reached from one another: more than one name each (Tarjan 1972, without recursion)."""
        index: dict[str, int] = {}
        low: dict[str, int] = {}
        stack: list[str] = []
        standing: set[str] = set()
        found = []
        for root in list(self.edges):
            if root in index:
                continue
            work = [(root, iter(self.edges[root]))]
            index[root] = low[root] = len(index)
            stack.append(root)
            standing.add(root)
            while work:
                here, rest = work[-1]
                there = next(rest, None)
                if there is None:
                    work.pop()
                    if work:
                        low[work[-1][0]] = min(low[work[-1][0]], low[here])
                    if low[here] == index[here]:
                        found.append(_popped(stack, standing, here))
                elif there not in index:
                    index[there] = low[there] = len(index)
                    stack.append(there)
                    standing.add(there)
                    work.append((there, iter(self.edges[there])))
                elif there in standing:
                    low[here] = min(low[here], index[there])
        return [each for each in found if len(each) > 1]


def _popped(stack: list[str], standing: set[str], root: str) -> set[str]:
    """The component that ends at `root`."""
    part = set[str]()
    while True:
        name = stack.pop()
        standing.discard(name)
        part.add(name)
        if name == root:
            return part


def anomaly(graph: Graph) -> str | None:
    """The worst cycle, by its name, and the way around it; None if there is none."""
    parts = graph.components()
    for name, last, rest in (
        ("G0", "ww", ("ww", "time")),
        ("G1c", "wr", ("ww", "wr", "time")),
        ("G-single", "rw", ("ww", "wr", "time")),
        ("G2", "rw", ("ww", "wr", "rw", "time")),
    ):
        for part in parts:
            for source in sorted(part):
                for target, kinds in graph.edges[source].items():
                    if last in kinds and target in part and (way := graph.path(target, source, rest, part)):
                        return f"{name}: {' -> '.join([source, *way])}"
    return None
