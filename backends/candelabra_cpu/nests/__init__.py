# SPDX-License-Identifier: Apache-2.0
"""Compiled kernels for what NumPy does slowly on much data and no formula says: moving, picking, adding at positions,
running sums, pooling.

A function here takes arrays as NumPy's kernel of the op does and gives the same result, or None where it has no way for
them. Work items are rows or stretches of rows; loops along them are vectorized. Results do not depend on the number of
threads: whatever is added, one work item adds, in order.
"""
