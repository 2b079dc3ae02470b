// What a program on the bare device has besides newlib: a clock, a measured stack, a way to stop.
#ifndef TOOLS_TARGET_DEVICE_DEVICE_H_
#define TOOLS_TARGET_DEVICE_DEVICE_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Stops the clock and sets it to 0.
void device_ticks_reset(void);

// Start and stop the clock. These two use no stack.
void device_ticks_start(void);
void device_ticks_stop(void);

// Ticks of the core clock's SysTick while it ran, rounded down. In QEMU with -icount shift=0 a
// tick is a fixed number of instructions (cpus.py has it). Read it while the clock is stopped.
uint64_t device_ticks(void);

// Paints the stack below the caller.
void device_stack_paint(void);

// Bytes of stack below the caller that lost their paint, a multiple of 4. Called from the
// function that painted, it is the high-water mark of what that function called in between.
// What was reserved but never written to does not show.
uint32_t device_stack_used(void);

// Writes `text` with no stream in between; works in an exception handler.
void device_print(const char* text);

#ifdef __cplusplus
}
#endif

#endif  // TOOLS_TARGET_DEVICE_DEVICE_H_
