# SPDX-License-Identifier: Apache-2.0
"""A kit for devices whose kernels come from the compiler's loop nests.

Subclass `candelabra_loops.backend.LoopsBackend`, say how memory comes and goes and how kernels are built and launched.
"""
