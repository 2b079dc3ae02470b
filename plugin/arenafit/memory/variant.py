"""The builds of CMSIS-NN, which differ in kernels and in scratch: one a kind of CPU."""

from __future__ import annotations

from typing import Literal

__all__ = ["VARIANTS", "Variant"]

Variant = Literal["c", "dsp", "mve"]
"""Plain C (Cortex-M0, M3), the DSP extension (M4, M7, M33), MVE (M55, M85)."""

VARIANTS: dict[str, Variant] = {"cortex-m4": "dsp", "cortex-m7": "dsp", "cortex-m55": "mve"}
"""What a CPU runs."""
