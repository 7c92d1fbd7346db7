# SPDX-License-Identifier: Apache-2.0
"""What the dispatcher remembers of a call, so that its like need no checks: tables of kernels, and plans.

A pointwise op has a table, from the kind of its operands to (kernel, kind of the result). Any other op has plans: functions of
the public arguments, found by kinds, shapes and attributes as given. Both are caches: emptied when somebody observes
dispatch or a backend is registered, and whatever they miss is merely slower.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .._config import grad_enabled
from .._dtype import dtype, iinfo
from ..tensor._tensor import Tensor, make_tensor, new
from . import _fallback
from ._kind import Kind
from ._record import record, record_pair

if TYPE_CHECKING:
    from ..op._declare import Op

Plan = Callable[[tuple[Any, ...]], Any]

LIMIT = 4096
"""Plans an op may have; past it all are forgotten, and those in use come back."""

RETRY: Any = object()
"""What a plan returns when the call needs the full path after all."""


def wrap_results(raw: Any, kind: Kind, results: Any) -> Any:
    """Tensors from what a kernel returned, of the dtypes its rule gave."""
    if type(results) is tuple:
        return tuple(wrap_results(r, kind, d) for r, d in zip(raw, results, strict=True))
    if type(raw) is not kind.handle_type and kind.handle_type is not None:
        raw = kind.backend.wrap(raw, results)
    return make_tensor(raw, kind.with_dtype(results))


def remember(
    op: Op,
    public: tuple[Any, ...],
    given: tuple[Any, ...],
    args: tuple[Any, ...],
    kind: Kind,
    compute: dtype,
    kernel: Any,
    results: Any,
    key: Any,
) -> None:
    """Fills the op's table or plans when this call could be repeated without its checks.

    Args:
        public: the arguments as bound; `given` as normalised by the front; `args` as cast, the kernel's.
        key: where the entry looks for a plan; None when the call cannot have one.
    """
    is_table = op.is_pointwise or op.kernel_checks
    if is_table and len(op.operands) == len(op.kernel_params) <= 2 and type(results) is not tuple:
        _remember_kernel(op, public, given, args, kind, compute, kernel, results)
    elif key is not None and not any(
        a is not b and isinstance(b, (Tensor, list)) for a, b in zip(given, args, strict=True)
    ):
        if op.operands == (0, 1, 2) and _is_triple(public, args, kind) and type(results) is not tuple:
            if len(op.table) >= LIMIT:
                op.table.clear()
            op.table[(kind, *(t._array.shape for t in args))] = (kernel, kind.with_dtype(results))
        plan = make_plan(op, public, args, kind, kernel, results)
        if plan is not None:
            add_plan(op, key, plan)


def is_zero(attribute: Any) -> bool:
    """True for 0, 0.0 and -0.0, which are one key."""
    return isinstance(attribute, (int, float)) and attribute == 0


def holds_tensor(attribute: Any) -> bool:
    """Whether an attribute is given as a tensor, or as a sequence with one: a size, a position."""
    return isinstance(attribute, Tensor) or (
        isinstance(attribute, (tuple, list)) and any(isinstance(v, Tensor) for v in attribute)
    )


def _is_triple(public: tuple[Any, ...], args: tuple[Any, ...], kind: Kind) -> bool:
    """Whether a call was three tensors of one kind, which the kernel got as they were."""
    given = len(public) == len(args) == 3 and all(p is a for p, a in zip(public, args, strict=True))
    return given and all(isinstance(t, Tensor) and t._kind is kind for t in args)


def add_plan(op: Op, key: Any, plan: Any) -> None:
    """Keeps a plan under its key."""
    if len(op.plans) >= LIMIT:
        op.plans.clear()
    op.plans[key] = plan


def _remember_kernel(
    op: Op,
    public: tuple[Any, ...],
    given: tuple[Any, ...],
    args: tuple[Any, ...],
    kind: Kind,
    compute: dtype,
    kernel: Any,
    results: Any,
) -> None:
    if not isinstance(args[0], Tensor) or args[0] is not given[0]:
        return
    entry = (kernel, kind.with_dtype(results))
    if len(args) == 1:
        if len(op.params) == 1:
            op.table[kind] = entry
    elif isinstance(args[1], Tensor):
        if args[1]._kind is kind and kind.backend.capabilities.kernels_check_shapes:
            op.table[kind] = entry
    elif type(public[1]) is float or (type(public[1]) is int and compute.category == 2):
        op.table[(kind, type(public[1]))] = entry
    elif type(public[1]) is int and compute.category == 1 and compute is kind.dtype:
        most = iinfo(compute).max
        if 0 <= public[1] <= most:
            op.table[(kind, int)] = (_for_numbers_to(most, kernel), entry[1])


def _for_numbers_to(most: int, kernel: Any) -> Any:
    """A kernel of integers and a number, for numbers that rules treat alike: negative ones may be refused, large ones wrap."""

    def call(input: Any, number: int) -> Any:
        if 0 <= number <= most:
            return kernel(input, number)
        raise OverflowError("the full path decides")

    return call


def make_plan(
    op: Op, public: tuple[Any, ...], args: tuple[Any, ...], kind: Kind, kernel: Any, results: Any
) -> Plan | None:
    """A call with its checks done: takes the public arguments, operands of the same kinds and shapes first.

    None where such a call cannot stand for this one: the front made new tensors, or an attribute is a tensor, whose
    value may change, or a zero, whose sign the key does not tell.
    """
    params = (*op.params, *op.kernel_params)
    attributes = [(v, p) for v, p in zip((*public, *args), params, strict=True) if not p.is_operand]
    if any(holds_tensor(v) or (p.takes_float and is_zero(v)) for v, p in attributes):
        return None
    template: list[Any] = list(args)
    sources: list[tuple[int, int]] = []  # (index into the kernel parameters, index into the public ones)
    for i, value in enumerate(args):
        if isinstance(value, Tensor):
            source = op.public_index[i]
            if public[source] is not value:
                return None
            sources.append((i, source))
            template[i] = None  # plans must not keep tensors alive
    specialize = getattr(getattr(kernel, "func", kernel), "specialize", None)
    special = specialize(*[a._array if isinstance(a, Tensor) else a for a in args]) if specialize is not None else None
    if (
        op.leading == len(sources)
        and type(results) is not tuple
        and op.public_index[: op.leading] == tuple(range(op.leading))
    ):
        rest = tuple(template[op.leading :])
        make = _single_plan if op.leading == 1 else _pair_plan
        return make(op, kernel if special is None else special, rest, special is not None, kind, results)
    return _general_plan(op, kernel, special, template, sources, kind, results)


def _single_plan(op: Op, kernel: Any, rest: tuple[Any, ...], is_special: bool, kind: Kind, results: dtype) -> Plan:
    """For one operand and one result."""
    handle_type, wrap, result_kind = kind.handle_type, kind.backend.wrap, kind.with_dtype(results)
    rules, through_body = op.rules, not op.rules and op.differentiable
    given = () if is_special else rest

    def plan(public: tuple[Any, ...]) -> Any:
        input = public[0]
        node = input._node
        if node is not None and through_body and grad_enabled.get():
            return RETRY
        try:
            array = kernel(input._array, *given)
        except Exception:  # the full path tells what is wrong
            return RETRY
        if type(array) is not handle_type and handle_type is not None:
            array = wrap(array, results)
        out: Tensor = new(Tensor)
        out._array = array
        out._kind = result_kind
        out._node = None
        out._storage = None
        out._base = None
        if node is not None and rules and grad_enabled.get():
            record_pair(op, input, None, out, result_kind, rest)
        return out

    return plan


def _pair_plan(op: Op, kernel: Any, rest: tuple[Any, ...], is_special: bool, kind: Kind, results: dtype) -> Plan:
    """For two operands and one result."""
    handle_type, wrap, result_kind = kind.handle_type, kind.backend.wrap, kind.with_dtype(results)
    rules, through_body = op.rules, not op.rules and op.differentiable
    given = () if is_special else rest

    def plan(public: tuple[Any, ...]) -> Any:
        input = public[0]
        other = public[1]
        wanted = input._node is not None or other._node is not None
        if wanted and through_body and grad_enabled.get():
            return RETRY
        try:
            array = kernel(input._array, other._array, *given)
        except Exception:  # the full path tells what is wrong
            return RETRY
        if type(array) is not handle_type and handle_type is not None:
            array = wrap(array, results)
        out: Tensor = new(Tensor)
        out._array = array
        out._kind = result_kind
        out._node = None
        out._storage = None
        out._base = None
        if wanted and rules and grad_enabled.get():
            record_pair(op, input, other, out, result_kind, rest)
        return out

    return plan


def _general_plan(
    op: Op, kernel: Any, special: Any, template: list[Any], sources: list[tuple[int, int]], kind: Kind, results: Any
) -> Plan:
    """For any number of operands and results."""
    rules, through_body = op.rules, not op.rules and op.differentiable

    def plan(public: tuple[Any, ...]) -> Any:
        handles = template.copy()
        wanted = False
        for i, source in sources:
            tensor = public[source]
            handles[i] = tensor._array
            wanted = wanted or tensor._node is not None
        if wanted and through_body and grad_enabled.get():
            return RETRY
        try:
            raw = kernel(*handles) if special is None else special(*[handles[i] for i, _ in sources])
        except Exception:  # the full path tells what is wrong
            return RETRY
        out = wrap_results(raw, kind, results)
        if wanted and rules and grad_enabled.get():
            given = template.copy()
            for i, source in sources:
                given[i] = public[source]
            record(op, given, out)
        return out

    return plan


def forget() -> None:
    """Empties every table: called when observers or backends come and go."""
    from ..op._registry import ops

    for op in ops.values():
        op.table.clear()
        op.plans.clear()
        op.kernels.clear()
        op.written_from.clear()


_fallback.on_change(forget)
