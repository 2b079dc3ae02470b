"""What pyproject.toml cannot say: kernels/ travels inside the package.

Those sources are compiled where they are used; `arenafit.sources` finds them. In a checkout (and
an editable installation) they are those in kernels/ itself.
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
