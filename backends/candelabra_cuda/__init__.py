# SPDX-License-Identifier: Apache-2.0
"""The CUDA backend: NVIDIA GPUs by CuPy, with kernels that the compiler writes and NVRTC builds."""
