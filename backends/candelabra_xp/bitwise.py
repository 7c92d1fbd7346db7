# SPDX-License-Identifier: Apache-2.0
"""Operations on the bits of integers."""

from __future__ import annotations

from ._kernel import ufuncs

ufuncs(
    bitwise_and="bitwise_and",
    bitwise_left_shift="left_shift",
    bitwise_not="invert",
    bitwise_or="bitwise_or",
    bitwise_right_shift="right_shift",
    bitwise_xor="bitwise_xor",
)
