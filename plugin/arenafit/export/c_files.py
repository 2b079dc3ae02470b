"""A network as C11 for firmware without an interpreter: one header, one source."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from arenafit.export.network import FedPort, Network, Port, SegmentCall
from arenafit.graph.model import DType
from arenafit.partial.encoding import decode
from arenafit.partial.program import TensorType
from arenafit.report.plan_c import c_name, comment_text

__all__ = ["c_files", "leaner"]

_COLUMNS = 100
_C_TYPES = {
    DType.INT8: "int8_t",
    DType.UINT8: "uint8_t",
    DType.INT16: "int16_t",
    DType.FLOAT32: "float",
}
_WITHOUT = {TensorType.F32: "ARENAFIT_NO_F32", TensorType.S16: "ARENAFIT_NO_S16"}


def c_files(network: Network, name: str) -> dict[str, str]:
    """File name -> text: NAME.h and NAME.c, with NAME made a name in C.

    They need the headers and sources of kernels/core that the header names, and nothing else.
    """
    identifier = c_name(name)
    words = {"name": comment_text(name), "c": identifier, "upper": identifier.upper()}
    return {
        f"{identifier}.h": _header(network, words),
        f"{identifier}.c": _source(network, words),
    }


def _header(network: Network, words: dict[str, str]) -> str:
    given: Sequence[Port | FedPort] = network.fed or network.inputs
    ports = [
        _port(port, f"{kind}{number}", words)
        for kind, found in (("INPUT", given), ("OUTPUT", network.outputs))
        for number, port in zip(_numbers(found), found, strict=True)
    ]
    usage, run = (_FED_USAGE, _FED_RUN) if network.fed else (_USAGE, _RUN)
    return _HEADER.format(
        **words, arena=network.arena, ports="\n".join(ports), smaller=_smaller(network),
        usage=usage.format(**words), run=run.format(**words),
        programs=sum(len(call.program) for call in network.calls),
    )  # fmt: skip


def _numbers(ports: Sequence[object]) -> Iterable[str]:
    """What tells several ports apart: nothing where there is one."""
    return [""] if len(ports) == 1 else [f"_{i}" for i in range(len(ports))]


def _port(port: Port | FedPort, label: str, words: dict[str, str]) -> str:
    macro = f"{words['upper']}_{label}"
    kind = _C_TYPES[port.dtype]
    # Nine digits tell every float from its neighbours.
    scale = (
        f"#define {macro}_SCALE {port.scale:.9e}f\n#define {macro}_ZERO_POINT ({port.zero_point})\n"
        if port.scale is not None
        else ""
    )
    head = f"/* {comment_text(port.name)}: {kind}, {'x'.join(map(str, port.shape))}"
    if isinstance(port, FedPort):
        return (
            f"{head}, by rows */\n"
            f"#define {macro}_ROWS {port.rows}\n"
            f"#define {macro}_ROW_BYTES {port.row_bytes}\n"
            f"{scale}"
        )
    return (
        f"{head} */\n"
        f"#define {macro}_OFFSET {port.offset}\n"
        f"#define {macro}_BYTES {port.size}\n"
        f"{scale}"
        f"static inline {kind}* {words['c']}_{label.lower()}(void* arena) {{\n"
        f"  return ({kind}*)(void*)((uint8_t*)arena + {macro}_OFFSET);\n"
        "}\n"
    )


def leaner(network: Network) -> list[str]:
    """The macros without which kernels of types that the network has not are compiled, too."""
    used = {tensor.type for call in network.calls for tensor in decode(call.program).tensors}
    return [macro for kind, macro in _WITHOUT.items() if kind not in used]


def _smaller(network: Network) -> str:
    """`leaner`, as a line of a comment."""
    flags = " ".join(f"-D{macro}" for macro in leaner(network))
    return f" * For a smaller one, with {flags} in all of them.\n" if flags else ""


def _source(network: Network, words: dict[str, str]) -> str:
    calls = network.calls
    body = "\n".join(_run(i, call) for i, call in enumerate(calls))
    run = _FED_BODY if network.fed else _BODY
    return _SOURCE.format(
        **words,
        programs="\n".join(_program(i, call) for i, call in enumerate(calls)),
        checks="\n".join(_check(i, call, words) for i, call in enumerate(calls)),
        run=run.format(**words, runs=body),
    )


def _program(index: int, call: SegmentCall) -> str:
    lines, line = [], " "
    for byte in call.program:
        literal = f" {byte},"
        if len(line) + len(literal) > _COLUMNS:
            lines.append(line)
            line = " "
        line += literal
    body = "\n".join([*lines, line])
    return (
        f"static _Alignas(ARENAFIT_PROGRAM_ALIGNMENT) const uint8_t program_{index}"
        f"[{len(call.program)}] = {{\n{body}\n}};\n"
    )


def _tensors(call: SegmentCall) -> str:
    def addresses(offsets: tuple[int, ...]) -> str:
        return ", ".join(f"at + {offset}" for offset in offsets)

    inputs = "const void* const* const inputs = NULL;"  # an array is never empty
    if call.inputs:
        inputs = f"const void* const inputs[] = {{{addresses(call.inputs)}}};"
    return f"    {inputs}\n    void* const outputs[] = {{{addresses(call.outputs)}}};\n"


def _run(index: int, call: SegmentCall) -> str:
    """Only what is fed can fail."""
    run = (
        f"arenafit_segment_run((const void*)program_{index}, inputs, outputs,\n"
        f"        at + {call.workspace}, {'source' if call.is_fed else 'NULL'})"
    )
    if not call.is_fed:
        return f"  {{\n{_tensors(call)}    (void){run};\n  }}"
    return (
        f"  {{\n{_tensors(call)}    const arenafit_segment_status status = {run};\n"
        "    if (status != ARENAFIT_SEGMENT_OK) {\n      return status;\n    }\n  }"
    )


def _check(index: int, call: SegmentCall, words: dict[str, str]) -> str:
    return (
        f"  {{\n{_tensors(call)}"
        f"    const arenafit_segment_status status = {words['c']}_check_one(\n"
        f"        program_{index}, sizeof program_{index}, inputs, outputs,"
        f" at + {call.workspace});\n"
        "    if (status != ARENAFIT_SEGMENT_OK) {\n      return status;\n    }\n  }"
    )


_HEADER = """\
/* {name}, made by arenafit: a whole network, without an interpreter.
 *
 * Compile {c}.c with kernels/core/src/segment*.c and row_*.c, and -I kernels/core/include.
{smaller} * It uses no heap and no globals, needs about 1 KB of stack, and holds {programs} bytes of
 * constants.
 *
 *   static _Alignas(ARENAFIT_PROGRAM_ALIGNMENT) uint8_t arena[{upper}_ARENA_BYTES];
 *
 *   {c}_check(arena)    once; ARENAFIT_SEGMENT_OK unless the constants are damaged
{usage} *   read the outputs out of the arena
 *
 * A real number is SCALE * (value - ZERO_POINT), of what is no float. Bytes are those that TFLM computes.
 */
#ifndef ARENAFIT_EXPORT_{upper}_H_
#define ARENAFIT_EXPORT_{upper}_H_

#include <stdint.h>

#include "arenafit/segment.h"

#ifdef __cplusplus
extern "C" {{
#endif

/* All of the network's memory but stack and constants. */
#define {upper}_ARENA_BYTES {arena}

{ports}
/* Whether the constants can be run. Overwrites the arena. */
arenafit_segment_status {c}_check(void* arena);

{run}
#ifdef __cplusplus
}}
#endif

#endif /* ARENAFIT_EXPORT_{upper}_H_ */
"""

_SOURCE = """\
/* {name}, made by arenafit. See {c}.h. */
#include "{c}.h"

{programs}
static arenafit_segment_status {c}_check_one(const uint8_t* program, size_t size,
    const void* const* inputs, void* const* outputs, void* workspace) {{
  const arenafit_program* const header = (const void*)program;
  arenafit_segment_status status = arenafit_segment_check(program, size);
  if (status == ARENAFIT_SEGMENT_OK) {{
    status = arenafit_segment_rehearse(header, workspace);
  }}
  if (status == ARENAFIT_SEGMENT_OK) {{
    status = arenafit_segment_check_overlap(header, inputs, outputs);
  }}
  return status;
}}

arenafit_segment_status {c}_check(void* arena) {{
  uint8_t* const at = arena;
{checks}
  return ARENAFIT_SEGMENT_OK;
}}

{run}"""

_USAGE = """\
 *   write the inputs into the arena, each time anew: their bytes are used for other things
 *   {c}_run(arena)
"""

_RUN = """\
/* Overwrites all of the arena; what is left of it is the outputs. */
void {c}_run(void* arena);
"""

_BODY = """\
void {c}_run(void* arena) {{
  uint8_t* const at = arena;
{runs}
}}
"""

_FED_USAGE = """\
 *   {c}_run(arena, &source)    it calls source.next_row for each row of the input that it needs
"""

_FED_RUN = """\
/* Overwrites all of the arena; what is left of it is the outputs.
 *
 * Inputs are not in the arena: source->next_row(source->context, input, row, into, bytes) is called
 * for each row of theirs when it is needed, with `input` counting from 0, `row` from 0 to ROWS - 1
 * in order, each once, and `bytes` its ROW_BYTES. It writes them to `into`, which is in the arena
 * and the network's again when it returns, and returns 0. Rows at the end that nobody needs are not
 * asked for; rows of several inputs come in turns. It runs on the caller's stack and may wait for
 * the row as long as it likes, but must leave the arena alone.
 *
 * ARENAFIT_SEGMENT_OK, or ARENAFIT_SEGMENT_ABORTED where next_row returned anything but 0, or
 * ARENAFIT_SEGMENT_SOURCE where there is none; the arena holds no outputs then. */
arenafit_segment_status {c}_run(void* arena, const arenafit_source* source);
"""

_FED_BODY = """\
arenafit_segment_status {c}_run(void* arena, const arenafit_source* source) {{
  uint8_t* const at = arena;
{runs}
  return ARENAFIT_SEGMENT_OK;
}}
"""
