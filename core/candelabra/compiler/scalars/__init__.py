# SPDX-License-Identifier: Apache-2.0
"""Scalar formulas by family; `..scalar` is their index."""
