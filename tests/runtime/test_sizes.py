# SPDX-License-Identifier: Apache-2.0
"""An element's result does not depend on how many lie beside it: by parts or fused, the arithmetic is the same."""

import pytest

import candelabra as cb
from candelabra.dispatcher import known_backends

functional = cb.nn.functional

# Each loses what it is about if it is rounded to 16 bits on its way.
NARROW = {
    "logit": (lambda x: cb.logit(x, 1e-6), 5.0),
    "tanhshrink": (functional.tanhshrink, 0.09),
    "mish": (functional.mish, -17.0),
    "silu": (functional.silu, -3.3),
    "gelu": (functional.gelu, -1.7),
}


def devices():
    return ["cpu", *(name for name in ("sim", "opencl") if name in known_backends())]


@pytest.fixture(params=devices())
def device(request):
    try:
        cb.zeros(1, device=request.param)
    except cb.CandelabraError as error:
        pytest.skip(str(error))
    return request.param


@pytest.mark.parametrize("name", NARROW)
@pytest.mark.parametrize("dtype", [cb.float16, cb.bfloat16])
def test_sixteen_bits_round_once(device, name, dtype):
    function, value = NARROW[name]
    x = cb.tensor([value], dtype=dtype, device=device)
    few, many = function(x), function(x.expand(40003).contiguous())[:1]
    assert few.dtype is dtype
    assert few.item() == many.item()
    exact = function(x.to(cb.float32)).to(dtype)
    assert abs(few.item() - exact.item()) <= cb.finfo(dtype).eps * abs(exact.item())


def test_a_body_computes_in_its_own_dtype(device):
    x = cb.tensor([127, -128], dtype=cb.int8, device=device)
    assert functional.softsign(x).tolist() == functional.softsign(x.to(cb.float32)).tolist()
