# SPDX-License-Identifier: Apache-2.0
"""`@op`: the one place an op is described, and the record everything else is derived from.

    @op(dtype=floating, shape=broadcast, samples=binary())
    def logaddexp(input: Tensor, other: Tensor | Number) -> Tensor:
        '''Logarithm of the sum of the exponentials, without overflow. ...'''
        apart = maximum(input, other) + log1p(exp(-abs(input - other)))
        return where(input == other, input + math.log(2), apart)

    logaddexp.vjp(
        input=lambda grad, out, input: grad * exp(input - out),
        other=lambda grad, out, other: grad * exp(other - out),
    )

The signature is the schema: parameters annotated `Tensor`, `Tensor | None`, `Tensor | Number` or `Sequence[Tensor]` are
operands, all others attributes. A body of `...` makes the op a primitive, which each backend owes a kernel.
A gradient rule is given for each operand; its parameters name what it reads and so what is kept for it: `grad` first,
then any of the kernel parameters, `out`, or `<operand>_shape`.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, cast

from .._dtype import dtype as dtype_type
from .._errors import DTypeError
from ..dispatcher._bind import MISSING, types_of
from ..dispatcher._call import entry
from ._registry import register
from ._rules import NAMED, POINTWISE, DTypeRule, result_dtype

P = ParamSpec("P")
R = TypeVar("R", covariant=True)

Number = bool | int | float | complex


@dataclass(frozen=True)
class Param:
    """One parameter of an op, read from its signature."""

    name: str
    annotation: str
    default: Any
    keyword_only: bool

    @property
    def is_operand(self) -> bool:
        """True for tensors, given singly or in a sequence."""
        return self.annotation.startswith(("Tensor", "Sequence[Tensor"))

    @property
    def is_list(self) -> bool:
        """True for a sequence of tensors."""
        return self.annotation.startswith("Sequence[Tensor")

    @property
    def optional(self) -> bool:
        """True when None may be given."""
        return "None" in self.annotation

    @property
    def takes_float(self) -> bool:
        """True for an attribute that may be a float, or anything."""
        return any(word in self.annotation for word in ("float", "Number", "Any"))

    @property
    def words(self) -> frozenset[str]:
        """Names of the types that an attribute may have, where these are numbers, texts and None alone; else none."""
        named = frozenset() if self.is_operand else frozenset(self.annotation.split(" | "))
        return named if named <= _PLAIN else frozenset()

    @property
    def takes_scalar(self) -> bool:
        """True when a Python number may stand for a tensor."""
        return "Number" in self.annotation


_PLAIN = frozenset(["int", "float", "bool", "str", "None", "Number"])


class Op:
    """Everything known of one op. Made by `@op`; read by the dispatcher, the conformance suite and the docs tool.

    Attributes:
        name, module, function: as declared.
        params: public parameters; `kernel_params` are what kernels, shape rules and gradient rules see.
        front: from public to kernel arguments (normalises dims, folds `alpha` in, casts to `dtype=`), or None.
        body: the definition by other ops, or None for a primitive.
        dtype, shape: rules of `_rules`, or None where the body decides.
        vjps: gradient rules by operand.
        grad: "none: reason" where there is no gradient.
        samples, errors: lazy sample and error inputs; `reference`: independent NumPy function for the oracle.
        tolerance: class of the conformance suite's budgets.
    """

    def __init__(self, function: Callable[..., Any], options: dict[str, Any]) -> None:
        get = options.get
        self.name: str = get("name") or function.__name__.rstrip("_")
        self.module = function.__module__
        self.function = function
        self.params = _params(function)
        self.index = {p.name: i for i, p in enumerate(self.params)}
        self.defaults = tuple(p.default for p in self.params)
        self.required = sum(p.default is MISSING for p in self.params)
        self.positional = sum(not p.keyword_only for p in self.params)
        self.variadic = next((i for i, p in enumerate(self.params) if p.name in get("variadic", ())), None)
        self.front: Callable[..., tuple[Any, ...]] | None = get("front")
        dropped = get("drops", ())
        self.kernel_params = tuple(p for p in self.params if p.name not in dropped)
        self.public_index = tuple(self.index[p.name] for p in self.kernel_params)
        self.operands = tuple(i for i, p in enumerate(self.kernel_params) if p.is_operand)
        # One or two operands before all attributes: the dispatcher and the recorder have short ways for these.
        self.leading = {(0,): 1, (0, 1): 2}.get(self.operands, 0)
        self.plain_attributes = tuple(
            (i, words, types_of(words)) for i, p in enumerate(self.params) if (words := p.words)
        )
        self.operand_params = tuple(self.kernel_params[i] for i in self.operands)
        self.has_lists = any(p.is_list for p in self.kernel_params)
        if self.has_lists:
            self.leading = 0
        self.fixed: dict[str, Sequence[dtype_type]] = get("fixed", {})
        self.promoted = tuple(i for i in self.operands if self.kernel_params[i].name not in self.fixed)
        self.body = None if _is_primitive(function) else function
        self.dtype: DTypeRule | None = get("dtype")
        shape = get("shape")
        self.shape: Callable[..., Any] | None = shape(self.name) if shape in NAMED else shape
        self.is_pointwise = shape in POINTWISE and self.dtype is not None and not self.has_lists
        # Kernels refuse the shapes the rule refuses, and the result's shape is theirs: calls need no look at shapes.
        self.kernel_checks: bool = get("kernel_checks", False)
        self.moves_data: bool = get("moves_data", False)
        self.is_view: bool = get("geometry") is not None or get("is_view", False)
        self.geometry: Any = get("geometry")
        # as_strided's front reads the storage, not the shape alone: its attributes must not be remembered.
        self.remembers: bool = get("remembers", True)
        self.is_factory: bool = get("host_kernel") is not None
        self.host_kernel: Any = get("host_kernel")
        self.factory_dtype: Any = get("factory_dtype")
        self.grad: str = get("grad", "")
        self.nondifferentiable: Sequence[int] = get("nondifferentiable", ())
        self.samples: Callable[[], Iterable[Any]] = get("samples") or _no_samples
        self.errors: Callable[[], Iterable[Any]] = get("errors") or _no_samples
        self.reference: Callable[..., Any] | None = get("reference")
        self.tolerance: str = get("tolerance", "elementwise")
        self.layouts: str = get("layouts", "all")
        self.is_method: bool = get("method", True)
        inplace_default = self.is_pointwise and not self.is_factory and get("inplace_default", True)
        self.is_inplace: bool = get("inplace", inplace_default and self.is_method)
        self.vjps: dict[str, Callable[..., Any]] = {}
        self.rules: dict[str, tuple[Callable[..., Any], tuple[int, ...]]] = {}
        self._keeps: dict[Any, Any] = {}
        # Caches of the dispatcher: emptied by `dispatcher._plans.forget`.
        self.table: dict[Any, Any] = {}
        self.plans: dict[Any, Any] = {}
        self.kernels: dict[Any, Any] = {}
        self.written_from: dict[Any, float] = {}
        self.call = entry(self)

    def __repr__(self) -> str:
        return f"<op {self.name}>"

    @functools.cached_property
    def doc(self) -> str:
        """The declaration's docstring, without its indentation."""
        return inspect.getdoc(self.function) or ""

    # -- dtypes ------------------------------------------------------------------------------------------------------

    def infer_dtypes(self, args: Sequence[Any]) -> tuple[dtype_type, Any]:
        """(dtype to compute in, dtype or dtypes of the results); checks operands with fixed dtypes."""
        for name, allowed in self.fixed.items():
            value = args[self.kernel_index[name]]
            for tensor in value if isinstance(value, list) else (value,):
                if hasattr(tensor, "_kind") and tensor._kind.dtype not in allowed:
                    names = ", ".join(t.name for t in allowed)
                    raise DTypeError(f"{self.name}: {name} must be one of {names}, got {tensor._kind.dtype.name}")
        values: list[Any] = []
        for i in self.promoted:
            value = args[i]
            values.extend(value) if type(value) is list else values.append(value)
        if all(value is None for value in values):
            values = [args[self.operands[0]]]
        found = result_dtype(values)
        return self.dtype(self.name, found, args) if self.dtype is not None else (found, found)

    @functools.cached_property
    def kernel_index(self) -> dict[str, int]:
        """Position of each kernel parameter."""
        return {p.name: i for i, p in enumerate(self.kernel_params)}

    # -- gradients ---------------------------------------------------------------------------------------------------

    @property
    def differentiable(self) -> bool:
        """Whether a gradient can come of it, by its own rules or through its body."""
        return not self.grad.startswith("none") and (bool(self.vjps) or self.body is not None)

    @property
    def records(self) -> bool:
        """Whether calls make a node of their own."""
        return bool(self.vjps)

    def set_vjps(self, **rules: Callable[..., Any]) -> None:
        """Adds gradient rules by operand name."""
        for name, rule in rules.items():
            if name not in self.kernel_index:
                raise ValueError(f"op {self.name!r}: gradient rule for an unknown operand, got {name!r}")
            self.vjps[name] = rule
            self.rules[name] = (rule, tuple(self._read_index(p) for p in self._rule_reads(name, rule)))

    def _rule_reads(self, name: str, rule: Callable[..., Any]) -> Sequence[str]:
        """Names of what a rule reads: its parameters after `grad`."""
        if hasattr(rule, "op") and rule.op.required == 1:
            return ()  # an op of one operand, given as it is: it gets the gradient
        code = rule.__code__
        if code.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS):
            raise ValueError(f"op {self.name!r}: a gradient rule names what it reads, got *args in that of {name!r}")
        return code.co_varnames[1 : code.co_argcount]

    def _read_index(self, name: str) -> int:
        if name == "out":
            return -1
        if name in self.kernel_index:
            return self.kernel_index[name]
        if name.endswith("_shape") and name[:-6] in self.kernel_index:
            return -2 - self.kernel_index[name[:-6]]
        raise ValueError(f"op {self.name!r}: gradient rule reads an unknown name, got {name!r}")

    @functools.cached_property
    def edge_plan(self) -> tuple[tuple[int, bool], ...]:
        """(operand position, whether it has a rule) for each operand."""
        return tuple((i, self.kernel_params[i].name in self.rules) for i in self.operands)

    @functools.cached_property
    def reads_first(self) -> bool:
        """Whether a rule reads the first operand's values, so that writing over it needs a copy."""
        return not self.rules or any(0 in reads for _, reads in self.rules.values())

    def keeps(self, mask: tuple[bool, ...] | None) -> tuple[tuple[tuple[int, int], ...], bool]:
        """What to keep for the operands in `mask` (None: all): (position, 0 nothing, 1 value, 2 shape), and `out`."""
        found = self._keeps.get(mask)
        if found is None:
            wanted = [
                self.rules[self.kernel_params[i].name][1]
                for n, i in enumerate(self.operands)
                if self.kernel_params[i].name in self.rules and (mask is None or mask[n])
            ]
            reads = set(itertools.chain.from_iterable(wanted))
            keeps = tuple(
                (i, 1 if i in reads or not p.is_operand else 2 if -2 - i in reads else 0)
                for i, p in enumerate(self.kernel_params)
            )
            found = self._keeps[mask] = (keeps, -1 in reads)
        return found

    @functools.cached_property
    def rules_in_order(self) -> tuple[Any, ...]:
        """(rule, what it reads) for each operand; None for one without a rule."""
        return tuple(self.rules.get(p.name) for p in self.operand_params)

    @functools.cached_property
    def pair_keeps(self) -> tuple[tuple[int, int, bool], ...]:
        """For ops with one or two leading operands: what to keep of them, by which want gradients (bits)."""
        found = []
        for bits in range(4):
            keeps, keep_out = self.keeps(tuple(bool(bits & (1 << n)) for n in range(len(self.operands))))
            found.append((keeps[0][1], keeps[1][1] if len(keeps) > 1 else 0, keep_out))
        return tuple(found)

    # -- body --------------------------------------------------------------------------------------------------------

    def call_body(self, args: Sequence[Any]) -> Any:
        """Runs the body on bound public arguments."""
        assert self.body is not None
        if self.positional == len(args):
            return self.body(*args)
        names = [p.name for p in self.params[self.positional :]]
        return self.body(*args[: self.positional], **dict(zip(names, args[self.positional :], strict=True)))


def public_arguments(op: Op, args: Sequence[Any]) -> tuple[Any, ...]:
    """Public arguments that come to these kernel arguments; what kernels do not see has its default."""
    public = list(op.defaults)
    for place, value in zip(op.public_index, args, strict=True):
        public[place] = value
    return tuple(public)


def _no_samples() -> Iterable[Any]:
    return ()


def _params(function: Callable[..., Any]) -> tuple[Param, ...]:
    """The parameters of a declaration, read from its code: `inspect.signature` is slow for some hundred ops at import."""
    code = function.__code__
    positional, count = code.co_argcount, code.co_argcount + code.co_kwonlyargcount
    defaults = function.__defaults__ or ()
    by_name = dict(zip(code.co_varnames[positional - len(defaults) : positional], defaults, strict=True))
    by_name.update(function.__kwdefaults__ or {})
    annotations = function.__annotations__
    return tuple(
        Param(name, _annotation(annotations.get(name, "Any")), by_name.get(name, MISSING), i >= positional)
        for i, name in enumerate(code.co_varnames[:count])
    )


def _annotation(value: Any) -> str:
    """An annotation's text without module names: `Tensor | None` for `cb.Tensor | None` too."""
    text = value.__name__ if isinstance(value, type) else str(value)
    return re.sub(r"\b(?:\w+\.)+(?=[A-Z])", "", text) if "." in text else text


def _empty() -> None:
    """A body that defines nothing, as primitives have."""


def _is_primitive(function: Callable[..., Any]) -> bool:
    return function.__code__.co_code == _empty.__code__.co_code


class OpFunction(Protocol, Generic[P, R]):
    """What `@op` makes of a declaration: the function users call, with its record and its gradient rules."""

    op: Op
    __name__: str

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Runs the op."""
        ...

    def vjp(self, **rules: Callable[..., Any]) -> None:
        """Gives gradient rules by operand name."""
        ...


def op(**options: Any) -> Callable[[Callable[P, R]], OpFunction[P, R]]:
    """Declares an op. See the module's docstring for what signature, body and rules mean.

    Args:
        dtype: dtype rule of `_rules`; needed for primitives.
        shape: shape rule of `_rules`, or a function of the kernel arguments; needed for primitives.
        front: function from public to kernel arguments.
        drops: public parameters that kernels do not see.
        fixed: allowed dtypes of operands that take no part in promotion, by name (indices, conditions).
        variadic: name of a parameter that may be given as loose ints.
        geometry: for a view op: (shape, strides, *attributes) -> (shape, strides, offset).
        host_kernel: for a factory: (backend, *args, dtype, index) -> handle, from host memory.
        kernel_checks: True for a primitive of two operands whose kernels raise for every shape the rule refuses.
        moves_data: True for kernels that copy elements and never compute, for storage-only dtypes too.
        grad: "none: reason" for ops without a gradient.
        nondifferentiable: positions of results that carry no gradient.
        method, inplace: whether `Tensor.f` and `Tensor.f_` are derived; pointwise ops get both by default.
        samples, errors, reference, tolerance: what conformance runs; see `candelabra.testing.samples`.
        name: the op's name where it cannot be the function's own.
    """

    def declare(function: Callable[P, R]) -> OpFunction[P, R]:
        record = Op(function, options)
        call = cast(Any, record.call)
        functools.update_wrapper(call, function)
        call.op = record
        call.vjp = record.set_vjps
        register(record)
        return cast(OpFunction[P, R], call)

    return declare
