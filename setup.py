"""What pyproject.toml cannot say: kernels/ travels inside the package.

`arenafit.runtime.build` compiles those sources where they are used. In a checkout (and an
editable installation) it takes them from kernels/ itself.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SOURCES = ("core", "host", "tflm")


class BuildWithKernels(build_py):
    """build_py, and a copy of kernels/ as arenafit/_kernels."""

    def run(self) -> None:
        """Copy after the modules are there, but not where the package is the checkout itself."""
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib) / "arenafit" / "_kernels"
        shutil.rmtree(target, ignore_errors=True)
        for folder in SOURCES:
            shutil.copytree(Path("kernels") / folder, target / folder)


setup(cmdclass={"build_py": BuildWithKernels})
