"""A program that runs models: ``run_model.cc``, arenafit's kernels and planner, a TFLM library."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from arenafit.graph import load
from arenafit.graph.custom import OWN_OPERATORS
from arenafit.sources import kernels
from arenafit.target.build import (
    BuildError,
    build_library,
    compile_object,
    core_include,
    core_sources,
    link,
    link_part,
    section_bytes,
)
from arenafit.target.cpus import CPUS, Cpu
from arenafit.target.qemu import in_memory, run_in_qemu
from arenafit.target.tflm.job import Answer, JobError, job_bytes, read_answer
from arenafit.target.tflm.tree import Library, TreeError, operator_methods

__all__ = ["Program", "Run", "build", "operators_header", "operators_of", "wheres"]


class Run(Protocol):
    """Runs a model on inputs, one for each invocation, with one of `job.PLANNERS`."""

    def __call__(
        self, model: bytes, inputs: Sequence[bytes], planner: str, *, profile: bool = False
    ) -> Answer:
        """With `profile` the operators are measured, and not the whole.

        Raises:
            JobError: the program did not come to its end, or did not run the model.
        """


@dataclass(frozen=True, slots=True)
class Program:
    """A program for models of some operators."""

    run: Run
    code: int  # bytes of code without libc: TFLM's, its kernels', ours; 0 on this machine
    constants: int  # bytes of that code


_SOURCES = Path(__file__).resolve().parent / "program"
_STACK_BYTES = 32 * 1024
_TIMEOUT = 600.0  # seconds for one job


def operators_of(models: Iterable[bytes]) -> set[str]:
    """TFLM's operators, custom ones included, that models need. arenafit's are not.

    Raises:
        ModelError: a model cannot be read.
    """
    graphs = (graph for model in models for graph in load(model).subgraphs)
    labels = {operator.code.label for graph in graphs for operator in graph.operators}
    return labels - set(OWN_OPERATORS)


def operators_header(methods: dict[str, str], operators: set[str]) -> str:
    """``operators.h``: adds these operators to a resolver, and says how many they are.

    Raises:
        TreeError: `methods`, as `tree.operator_methods` has them, lack one.
    """
    if missing := sorted(operators - methods.keys()):
        raise TreeError(f"this TFLM has no operator {missing[0]}")
    calls = "".join(
        f"  ok = resolver.{methods[name]}() == 0 && ok;\n" for name in sorted(operators)
    )
    return (
        "// Generated.\n"
        '#include "arenafit/tflm_compat.h"\n'
        '#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"\n'
        "namespace arenafit {\n"
        "namespace tflm {\n"
        f"constexpr int kOperators = {len(operators)};\n"
        "template <typename Resolver>\n"
        "TfLiteStatus AddOperators([[maybe_unused]] Resolver& resolver) {\n"
        "  bool ok = true;\n"
        f"{calls}"
        "  return ok ? kTfLiteOk : kTfLiteError;\n"
        "}\n"
        "}  // namespace tflm\n"
        "}  // namespace arenafit\n"
    )


def build(
    library: Library, operators: set[str], folder: Path, *, timeout: float = _TIMEOUT
) -> Program:
    """Builds the program in `folder`, for models of these operators.

    Args:
        library: TFLM.
        operators: as of `operators_of`.
        folder: is made; what has the same name there is overwritten.
        timeout: seconds that one job may take.

    Raises:
        TreeError: TFLM lacks an operator.
        BuildError: with the message of compiler or linker.
    """
    folder.mkdir(parents=True, exist_ok=True)
    header = operators_header(operator_methods(library.tree), operators)
    (folder / "operators.h").write_text(header, encoding="ascii")
    if library.cpu is None:
        return _host(library, folder, timeout)
    return _device(library, CPUS[library.cpu], folder, timeout)


def wheres(library: Library) -> str:
    """Where the library's programs run, for people."""
    if library.cpu is None:
        return "this machine"
    return f"{library.cpu}, QEMU {CPUS[library.cpu].machine}"


def _sources(machine: str) -> list[Path]:
    own = [_SOURCES / "run_model.cc", _SOURCES / f"machine_{machine}.cc"]
    return [*own, *sorted((kernels() / "tflm" / "src").glob("*.cc"))]


def _flags(library: Library, folder: Path) -> list[str]:
    own = [f"-I{path}" for path in (folder, _SOURCES, kernels() / "tflm" / "include")]
    theirs = [word for path in library.include for word in ("-isystem", str(path))]
    return [*own, *theirs, *(f"-D{define}" for define in library.defines), *library.flags]


def _device(library: Library, cpu: Cpu, folder: Path, timeout: float) -> Program:
    flags = [*_flags(library, folder), f"-DJOB_ADDRESS={cpu.outside:#x}u"]

    def compiled(source: Path) -> Path:
        return compile_object(cpu, source, folder / f"{source.name}.o", flags=flags)

    with ThreadPoolExecutor(os.cpu_count()) as pool:  # TFLM's schema takes a compiler seconds
        objects = list(pool.map(compiled, _sources("device")))
    core = build_library(cpu, folder)
    elf = link(
        cpu,
        [*objects, library.path, core],
        folder / "run_model.elf",
        memory=cpu.machine_memory,  # stock must run, too, to be compared
        stack_bytes=_STACK_BYTES,
        libraries=["stdc++"],
    )
    job = folder / "job.bin"

    def run(
        model: bytes, inputs: Sequence[bytes], planner: str, *, profile: bool = False
    ) -> Answer:
        job.write_bytes(_job(model, inputs, planner, profile))
        loaded = in_memory(job, cpu.outside)
        printed = run_in_qemu(elf, cpu, timeout=timeout, options=loaded)
        return read_answer(printed.lines, printed.exit_code, len(inputs))

    part = link_part(cpu, [*objects, library.path, core], folder / "part.o", roots=["_Z6RunJobPh"])
    sizes = section_bytes(part)
    code = sum(size for name, size in sizes.items() if name.startswith(".text"))
    constants = sum(size for name, size in sizes.items() if name.startswith((".rodata", ".data")))
    return Program(run, code, constants)


def _host(library: Library, folder: Path, timeout: float) -> Program:
    compilers = {suffix: _compiler(name) for suffix, name in ((".c", "cc"), (".cc", "c++"))}
    languages = {".c": ["-std=c11"], ".cc": ["-std=c++17", "-fno-exceptions", "-fno-rtti"]}
    flags = ["-O2", "-Wall", "-Wextra", f"-I{core_include()}", *_flags(library, folder)]

    def compiled(source: Path) -> str:
        output = str(folder / f"{source.name}.o")
        command = [compilers[source.suffix], *languages[source.suffix], *flags]
        _say([*command, "-c", str(source), "-o", output])
        return output

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(compiled, [*_sources("host"), *core_sources()]))
    program = folder / "run_model"
    _say([compilers[".cc"], *objects, str(library.path), "-lm", "-o", str(program)])
    job = folder / "job.bin"

    def run(
        model: bytes, inputs: Sequence[bytes], planner: str, *, profile: bool = False
    ) -> Answer:
        job.write_bytes(_job(model, inputs, planner, profile))
        try:
            done = subprocess.run(
                [program, job],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise JobError(f"no end after {timeout:.0f} s") from error
        lines = done.stdout.decode("utf-8", "replace").splitlines()
        return read_answer(lines, done.returncode, len(inputs))

    return Program(run, 0, 0)


def _job(model: bytes, inputs: Sequence[bytes], planner: str, profile: bool) -> bytes:
    graphs = load(model).subgraphs
    variables = sum(op.name == "VAR_HANDLE" for graph in graphs for op in graph.operators)
    return job_bytes(model, inputs, planner, variables=variables, profile=profile)


def _compiler(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise BuildError(f"no {name} on PATH")
    return found


def _say(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildError(f"{' '.join(command)}\n{done.stdout}{done.stderr}".rstrip())
