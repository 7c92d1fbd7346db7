# SPDX-License-Identifier: Apache-2.0
"""Reverse-mode differentiation over the recorded graph."""

from . import function as function
from . import functional as functional
from . import graph as graph
from ._engine import backward as backward
from ._engine import grad as grad
from ._function import Function as Function
from ._gradcheck import GradcheckError as GradcheckError
from ._gradcheck import gradcheck as gradcheck
from ._gradcheck import gradgradcheck as gradgradcheck
from ._modes import detect_anomaly as detect_anomaly
from ._modes import enable_grad as enable_grad
from ._modes import inference_mode as inference_mode
from ._modes import no_grad as no_grad
from ._modes import set_detect_anomaly as set_detect_anomaly
from ._modes import set_grad_enabled as set_grad_enabled

__all__ = [
    "Function",
    "GradcheckError",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "function",
    "functional",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "graph",
    "inference_mode",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
]
