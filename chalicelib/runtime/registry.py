"""The registry: a function is a decorated Python function; its module and name are its path, its signature its validator.

    @query
    def list_notes(ctx: QueryCtx, owner: str, limit: int = 50) -> list[Note]: ...

in `notes.py` is `notes:listNotes`, takes `{owner, limit?}` and returns notes. Decorating only describes; `load` imports the
packages named by `CONCAVE_APPS` and collects what they hold, so nothing is registered behind anybody's back.
"""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any, Generic, Literal, ParamSpec, Protocol, TypeVar, overload

import msgspec

from chalicelib.data import mount
from chalicelib.data.errors import BadRequest, NotFound, Refused, WrongDeclaration
from chalicelib.data.tables import TABLES
from chalicelib.runtime.declarations import check_context, check_cron, check_options, check_shape, check_table, hints_of, imported
from chalicelib.runtime.paths import camel, canonical, like
from chalicelib.runtime.wire_types import check_type

Kind = Literal["query", "mutation", "action"]
P = ParamSpec("P")
R = TypeVar("R", covariant=True)


class Function(Generic[P, R]):
    """A registered function. Calling it calls the plain Python function.

    `path` is its name on the wire, `args` a generated struct, `returns` the annotation of its result.
    """

    def __init__(self, handler: Callable[P, R], kind: Kind, public: bool, options: dict[str, Any]) -> None:
        check_shape(handler, kind)
        check_options(handler, kind, options)
        self.handler, self.kind, self.public, self.options = handler, kind, public, options
        self.name = camel(handler.__name__)
        self.path = f"{handler.__module__.rpartition('.')[2]}:{self.name}"
        self.doc = inspect.getdoc(handler) or ""
        code = handler.__code__
        self.file, self.line = code.co_filename, code.co_firstlineno
        self.__wrapped__ = handler
        self.__doc__ = handler.__doc__
        self._args: Any = None
        self._returns: Any = None

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.handler(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<{self.kind} {self.path}>"

    @property
    def args(self) -> type[msgspec.Struct]:
        """The struct that the arguments are: camelCase on the wire, unknown fields refused."""
        if self._args is None:
            self._describe()
        return self._args  # type: ignore[no-any-return]

    @property
    def returns(self) -> Any:
        """The annotation of the result; Any when there is none."""
        if self._args is None:
            self._describe()
        return self._returns

    @property
    def place(self) -> str:
        """Where it is written: `file:line`."""
        return f"{self.file}:{self.line}"

    def _describe(self) -> None:
        hints = hints_of(self.handler, self.path, self.place)
        parameters = list(inspect.signature(self.handler).parameters.values())
        check_context(parameters, hints, self.path, self.kind, self.place)
        fields = [self._field(each, hints.get(each.name, Any)) for each in parameters[1:]]
        names: Mapping[str, str] = self.options.get("names", {})
        for name in names.keys() - {each.name for each in parameters[1:]}:
            raise WrongDeclaration(self.place, f"{self.path} has no argument {name}, which its option `names` gives a name.")
        options: dict[str, Any] = {"forbid_unknown_fields": True, "kw_only": True}
        try:
            args = msgspec.defstruct(f"{self.name}_args", fields, rename="camel", **options)
            if names:
                wires = dict(zip(args.__struct_fields__, args.__struct_encode_fields__, strict=True)) | dict(names)
                args = msgspec.defstruct(f"{self.name}_args", fields, rename=wires, **options)
            self._args = args
        except (TypeError, ValueError) as error:
            raise WrongDeclaration(self.place, f"the arguments of {self.path} have no validator: {error}.") from error
        self._returns = hints.get("return", Any)

    def _field(self, parameter: inspect.Parameter, kind: Any) -> tuple[Any, ...]:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise WrongDeclaration(self.place, f"{self.path}: *args and **kwargs have no validator; name the arguments.")
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise WrongDeclaration(self.place, f"{self.path}: {parameter.name} stands before `/`, and arguments come by name.")
        check_type(kind, f"{self.path}, argument `{parameter.name}`", self.place, "in")
        if parameter.default is parameter.empty:
            return (parameter.name, kind)
        return (parameter.name, kind, parameter.default)


class _Decorator(Protocol):
    """Bare, or with options as keywords. What it makes is called like the function that it was given."""

    @overload
    def __call__(self, handler: Callable[P, R], /) -> Function[P, R]: ...
    @overload
    def __call__(self, /, **options: Any) -> Callable[[Callable[P, R]], Function[P, R]]: ...


def _decorator(kind: Kind, public: bool) -> _Decorator:
    def decorate(handler: Any = None, /, **options: Any) -> Any:
        if handler is None:
            return lambda found: Function(found, kind, public, options)
        return Function(handler, kind, public, options)

    decorate.__doc__ = f"Register {'a public' if public else 'an internal'} {kind}; options may be given as keywords."
    return decorate


query = _decorator("query", True)
mutation = _decorator("mutation", True)
action = _decorator("action", True)
internal_query = _decorator("query", False)
internal_mutation = _decorator("mutation", False)
internal_action = _decorator("action", False)


def sweep(handler: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a function that every sweep calls with the executor: for what is found by looking, not by being told."""
    handler.__concave_sweep__ = True  # type: ignore[attr-defined]
    return handler


class Registry:
    """All functions of a deployment, by path."""

    def __init__(self) -> None:
        self.hints = False
        """Whether a client that names no function is told which one it may mean: in development."""
        self._functions: dict[str, Function[..., Any]] = {}
        self._sweeps: list[Callable[..., Any]] = []
        self._crons: dict[str, Any] = {}

    def __iter__(self) -> Iterator[Function[..., Any]]:
        return iter(sorted(self._functions.values(), key=lambda each: each.path))

    def add(self, function: Function[..., Any], module: str) -> None:
        """Register a function under its module's path. Two functions with one path are refused."""
        function.path = f"{module}:{function.name}"
        known = self._functions.get(function.path)
        if known is not None and known is not function:
            chats = mount.of_the_chat(known.handler.__module__) != mount.of_the_chat(function.handler.__module__)
            out = f". {mount.WAY_OUT}" if chats else ""
            raise WrongDeclaration(function.place, f"{function.path} is defined twice; the other one is at {known.place}{out}.")
        function.args  # noqa: B018 - a wrong signature is reported now, not at the first call
        if function.returns not in (Any, None, type(None)):
            check_type(function.returns, f"{function.path}, result", function.place, "out")
        self._functions[function.path] = function

    def collect(self, module: ModuleType, path: str) -> None:
        """Register everything that a module itself defines."""
        for value in list(vars(module).values()):
            if isinstance(value, Function) and value.handler.__module__ == module.__name__:
                self.add(value, path)
            elif callable(value) and getattr(value, "__concave_sweep__", False) and value.__module__ == module.__name__:
                self._sweeps.append(value)
            for cron in getattr(value, "listed", ()) if type(value).__name__ == "Crons" else ():
                check_cron(cron)
                if self._crons.setdefault(cron.name, cron) is not cron:
                    raise WrongDeclaration(cron.place, f"two crons are named {cron.name!r}.")

    def get(self, path: str) -> Function[..., Any]:
        """Any function, internal ones too. Raises `NotFound`."""
        function = self._find(canonical(path))
        if function is None:
            raise NotFound(f"Could not find function for '{canonical(path)}'{like(canonical(path), self._functions)}.")
        return function

    def _find(self, name: str, caller: str = "") -> Function[..., Any] | None:
        """What a canonical path names: the built-in function first for a caller that is one, last for all others."""
        theirs, ours = self._functions.get(name), self._functions.get(mount.path(name))
        return ours or theirs if caller and mount.path(caller) == caller else theirs or ours

    def resolve(self, function: Function[..., Any] | str, caller: str = "") -> Function[..., Any]:
        """What a caller inside the backend means: a function, or its path (`"notes:remind"`), internal ones too.

        A path serves where the module of the function cannot be imported, because it imports the caller.

        Args:
            caller: the path of the function that says it: a built-in one means its like.

        Raises:
            NotFound: there is no such function.
            BadRequest: it is neither a function nor a path.
        """
        if isinstance(function, Function):
            return function
        if isinstance(function, str):
            return self._find(canonical(function), caller) or self.get(function)
        raise BadRequest("A function is named by its registered function object or by its path, as in 'notes:remind'.")

    def public(self, path: str, kind: Kind, role: str = "") -> Function[..., Any]:
        """A function that clients may call. Internal and missing ones look the same.

        Args:
            role: an operator's, who may call internal ones too: `read` only those that change nothing, `edit` all.

        Raises:
            NotFound, BadRequest: there is none of this kind.
            Refused: `ReadOnlyKey`.
        """
        name = canonical(path)
        function = self.get(path) if role else self._find(name)
        if function is None or not (function.public or role):
            known = [path for path, each in self._functions.items() if each.public]
            near = like(name, known) if self.hints and function is None else ""
            raise NotFound(f"Could not find public function for '{name}'{near}. Did you forget to deploy it, or is it internal?")
        if function.kind != kind:
            raise BadRequest(f"Trying to execute {name} as {kind.title()}, but it is defined as {function.kind.title()}.")
        if role == "read" and kind != "query" and not function.options.get("reads"):
            raise Refused("ReadOnlyKey", f"{name} is of the kind {kind}; with a key of the role read only queries can be called.")
        return function

    def open_to_nobody(self, path: str) -> bool:
        """Whether a public function says of itself that callers without a token may call it (`anonymous=True`)."""
        function = self._find(canonical(path))
        return function is not None and function.public and function.options.get("anonymous") is True

    def crons(self) -> list[Any]:
        """Every declared cron."""
        return list(self._crons.values())

    def sweeps(self) -> list[Callable[..., Any]]:
        """What every sweep calls."""
        return list(self._sweeps)


OPERATING = "chalicelib.operating"
"""What operators call; part of every deployment, as `_system/…`."""


def load(apps: Sequence[str], *, operators: bool = True) -> Registry:
    """Import these packages (or single modules) with all their modules, and collect their functions.

    Args:
        operators: the functions of operators, too: not where nobody is one.

    Raises:
        WrongDeclaration: something in them cannot work as it is written: which line, and why.
    """
    registry = Registry()
    for app in apps:
        root = imported(app, "CONCAVE_APPS")
        own = mount.path if mount.of_the_chat(f"{app}.") else str
        registry.collect(root, own(app.rpartition(".")[2]))
        for found in pkgutil.walk_packages(getattr(root, "__path__", ()), f"{app}."):
            module = imported(found.name)
            registry.collect(module, own(found.name[len(app) + 1 :].replace(".", "/")))
    if operators:
        for found in pkgutil.walk_packages(imported(OPERATING).__path__, f"{OPERATING}."):
            name = found.name[len(OPERATING) + 1 :].replace(".", "/")
            registry.collect(imported(found.name), f"_system/{camel(name)}")
    for table in TABLES.values():
        check_table(table)
    return registry
