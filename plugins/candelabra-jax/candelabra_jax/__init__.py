# SPDX-License-Identifier: Apache-2.0
"""XLA devices for Candelabra, by jax.numpy."""
