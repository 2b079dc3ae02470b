"""The CPUs that programs are built for, and the machines that stand for them."""

from __future__ import annotations

from dataclasses import dataclass

from arenafit.boards import load_board

__all__ = ["CPUS", "OUTSIDE_BYTES", "Cpu", "Memory"]

OUTSIDE_BYTES = 16 << 20
"""What a machine has at least outside of its microcontroller."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What a program may occupy. Sizes in bytes."""

    name: str  # whose it is
    code: int  # flash, or what code is loaded into; at address 0
    ram: int  # the largest region without a gap that there is; at 0x20000000


@dataclass(frozen=True, slots=True)
class Cpu:
    """A CPU, how gcc is told of it, and which machine of QEMU's has one."""

    name: str  # as in gcc's -mcpu
    flags: tuple[str, ...]  # of gcc, besides -mcpu
    machine: str  # as in QEMU's -M
    board: str  # a board file of arenafit's
    region: str  # the board's region of RAM that lies at 0x20000000
    code_bytes: int | None  # None: the board's flash
    clock: tuple[int, int]  # so many instructions take so many ticks of SysTick, -icount shift=0
    machine_code: int  # bytes at 0 that QEMU's machine has
    machine_ram: int  # at 0x20000000
    outside: int  # address of OUTSIDE_BYTES of its memory outside the microcontroller

    @property
    def memory(self) -> Memory:
        """A real board's: the sizes that the linker holds a program to."""
        board = load_board(self.board)
        code = self.code_bytes or board.flash_bytes
        if code is None:
            raise ValueError(f"{self.name}: {self.board} has no flash; give code_bytes")
        ram = next(region.bytes for region in board.regions if region.name == self.region)
        return Memory(self.board, code, ram)

    @property
    def machine_memory(self) -> Memory:
        """All that QEMU's machine has: what need not fit a board can still be measured."""
        return Memory(f"QEMU {self.machine}", self.machine_code, self.machine_ram)


# -icount shift=0 makes an instruction last 1 ns; the boards' core clocks have 25 and 32 MHz.
_ALL = (
    Cpu(
        name="cortex-m4",
        flags=("-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"),
        machine="mps2-an386",
        board="arduino-nano-33-ble-sense",
        region="RAM",
        code_bytes=None,
        clock=(40, 1),
        machine_code=4 << 20,
        machine_ram=4 << 20,
        outside=0x21000000,
    ),
    Cpu(
        name="cortex-m7",
        flags=("-mfloat-abi=hard", "-mfpu=fpv5-d16"),
        machine="mps2-an500",
        board="stm32f746g-disco",
        region="DTCM 64 KiB + SRAM1 240 KiB + SRAM2 16 KiB from 0x20000000",
        code_bytes=None,
        clock=(40, 1),
        machine_code=4 << 20,
        machine_ram=4 << 20,
        outside=0x60000000,
    ),
    Cpu(
        name="cortex-m55",
        flags=("-mfloat-abi=hard",),
        machine="mps3-an547",
        board="corstone-300-an547",
        region="DTCM at 0x20000000",
        code_bytes=512 << 10,  # ITCM (AN547, memory map)
        clock=(125, 4),
        machine_code=512 << 10,
        machine_ram=512 << 10,
        outside=0x60000000,
    ),
)

CPUS = {cpu.name: cpu for cpu in _ALL}
