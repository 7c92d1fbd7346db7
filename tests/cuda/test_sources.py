# SPDX-License-Identifier: Apache-2.0
"""Generated CUDA C++ is taken by NVRTC, for chips from Turing to Blackwell. No GPU is needed, and none is used."""

from __future__ import annotations

import re

import numpy as np
import pytest

from candelabra._errors import CompileError
from candelabra.compiler.ir import Builder

nvrtc = pytest.importorskip(
    "cupy_backends.cuda.libs.nvrtc", reason="needs CuPy and NVRTC: pip install candelabra[test]"
)

from candelabra_cuda import check, program, sources  # noqa: E402
from candelabra_cuda.dialect import BLOCK, TARGET, TURNS, items_of_block  # noqa: E402

MOST = {"sm_90": 80, "sm_75": 24, "sm_80": 24, "sm_120": 24}
"""Kernels of the quick list for each chip, evenly spread; `python -m candelabra_cuda.check` builds all."""


@pytest.fixture(scope="module")
def kernels():
    found, problems = check.collected(sources.quick)
    assert problems == []
    return found


def test_quick_list_has_every_form_of_kernel(kernels):
    text, names = program.RENDERER.program(kernels).text, {k.name for k in kernels}
    assert len(kernels) > 200
    for words in ("__syncthreads", "cvt.rn.f16.f32", "cvt.f32.f16", "cvt.rn.bf16.f32", "cb_item", "__shared__"):
        assert words in text, words
    for part in ("sum_g", "sort", "random", "take_", "softmax", "convolution", "pool", "run_sum", "product_tiles"):
        assert any(part in name for name in names), part


@pytest.mark.parametrize("arch", MOST)
def test_quick_list_compiles(kernels, arch):
    chosen = kernels[:: -(-len(kernels) // MOST[arch])]
    outcome = check.compiled(chosen, arch)
    assert outcome.refused == []
    assert outcome.code_bytes > 0


def test_unknown_chip_gets_ptx_of_the_newest_known_one():
    assert program.arch_for(90) == "sm_90"
    newest = max(int(a) for a in nvrtc.getSupportedArchs())
    assert program.arch_for(newest + 50) == f"compute_{newest}"


def test_wrong_source_names_kernel_and_line():
    source = program.RENDERER.render(_doubling()).replace("x[", "y[")
    with pytest.raises(CompileError, match=r'kernel doubled.*identifier "y" is undefined.*at line \d+: const float'):
        program.compile_source(source, "sm_90")


def test_short_kernels_read_ahead_of_their_stores():
    """Four loads through the read-only path come one after the other where a block is full: nothing keeps them apart."""
    ptx = program.compile_source(program.RENDERER.render(_doubling()), "compute_90").decode()
    assert items_of_block(_doubling()) == BLOCK * TURNS
    assert len(re.findall(r"ld\.global\.nc\.f32", ptx)) >= TURNS


def test_arithmetic_is_not_contracted():
    ptx = program.compile_source(program.RENDERER.render(_doubling()), "compute_90").decode()
    assert "fma" not in ptx and "ftz" not in ptx


@pytest.mark.parametrize(
    "type", ["i8", "u8", "i16", "u16", "i32", "u32", "i64", "u64", "f16", "bf16", "f32", "f64", "b1"]
)
def test_atomic_additions_compile(type):
    b = Builder(f"atomic_{type}", TARGET)
    x, out = b.buffer("x", type), b.buffer("out", type, True)
    with b.work(b.size("n")) as i:
        b.atomic_add(out, i.irem(7), x[i])
    for arch in ("sm_75", "sm_120"):
        assert program.compile_source(program.RENDERER.render(b.finish()), arch)


def test_special_numbers_need_no_header():
    b = Builder("specials", TARGET)
    out = b.buffer("out", "f64", True)
    with b.work(b.size("n")) as i:
        out[i] = b.const(np.inf, "f64") - b.const(-np.inf, "f64") + b.const(np.nan, "f64") + b.const(0.1, "f64")
    assert program.compile_source(program.RENDERER.render(b.finish()), "sm_90")


def _doubling():
    b = Builder("doubled", TARGET)
    x, out = b.buffer("x", "f32"), b.buffer("out", "f32", True)
    with b.work(b.size("n")) as i:
        value = x[i]
        out[i] = value * 2.0 + value
    return b.finish()
