// What a program on the bare device has besides newlib: a clock, a measured stack, a way to stop.
#ifndef ARENAFIT_TARGET_DEVICE_DEVICE_H_
#define ARENAFIT_TARGET_DEVICE_DEVICE_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// The clock: SysTick at the core clock. In QEMU with -icount shift=0, CLOCK_TICKS of its ticks are
// CLOCK_INSTRUCTIONS instructions (cpus.py defines both).

// Stops the clock and sets it to 0.
void device_clock_reset(void);

// Start and stop the clock. These two use no stack.
void device_clock_start(void);
void device_clock_stop(void);

// Instructions between start and stop, those two calls not counted. Exact in QEMU, elsewhere
// without meaning.
uint64_t device_clock_instructions(void);

// The same in ticks, with the time that the calls took.
uint64_t device_clock_ticks(void);

// Paints the stack below the caller.
void device_stack_paint(void);

// Bytes of stack below the caller that lost their paint, a multiple of 4. Called from the
// function that painted, it is the high-water mark of what that function called in between.
// What was reserved but never written to does not show.
uint32_t device_stack_used(void);

// Writes `text` with no stream in between; works in an exception handler.
void device_print(const char* text);

// Writes `name` and, in decimal, a number.
void device_print_field(const char* name, int64_t value);

#ifdef __cplusplus
}
#endif

#endif  // ARENAFIT_TARGET_DEVICE_DEVICE_H_
