// The bare device under newlib: heap, clock, report of faults. reset.S runs before it.
#include "device.h"

#include <errno.h>
#include <stddef.h>

#define REGISTER(address) (*(volatile uint32_t*)(address))
#define SYST_CSR REGISTER(0xE000E010u)
#define SYST_RVR REGISTER(0xE000E014u)
#define SYST_CVR REGISTER(0xE000E018u)
#define ICSR REGISTER(0xE000ED04u)
#define CFSR REGISTER(0xE000ED28u)

#define SYST_LAST 0xFFFFFFu  // the counter has 24 bits and counts down
// The core clock even while stopped: QEMU rescales the count when the clock is another.
#define SYST_CSR_STOP (1u << 2)
#define SYST_CSR_RUN (SYST_CSR_STOP | 1u << 1 | 1u)  // interrupt, enable

// The exception could not push its frame: STKOF, STKERR, MSTKERR.
#define CFSR_NO_FRAME (1u << 20 | 1u << 12 | 1u << 4)

enum { kSysWrite0 = 0x04, kExitFault = 70 };

// From the linker script. The heap is what RAM has left above .bss.
extern char __heap_bottom[], __heap_top[];

void _exit(int status) __attribute__((noreturn));

// --- newlib's hooks ---------------------------------------------------------------------------

void _init(void) {}
void _fini(void) {}
void* __dso_handle;

// newlib's own looks for the end of the heap below the stack; ours is the other way round.
void* _sbrk(ptrdiff_t bytes) {
  static char* end = __heap_bottom;
  if (bytes > __heap_top - end || bytes < __heap_bottom - end) {
    errno = ENOMEM;
    return (void*)-1;
  }
  char* previous = end;
  end += bytes;
  return previous;
}

// --- clock ------------------------------------------------------------------------------------

static volatile uint32_t wraps;

void device_tick_wrapped(void) { wraps++; }

void device_ticks_reset(void) {
  SYST_CSR = SYST_CSR_STOP;
  SYST_RVR = SYST_LAST;
  SYST_CVR = 0;  // any write: the first tick loads SYST_LAST
  wraps = 0;
}

void device_ticks_start(void) { SYST_CSR = SYST_CSR_RUN; }

void device_ticks_stop(void) { SYST_CSR = SYST_CSR_STOP; }

uint64_t device_ticks(void) {
  // 0 stands for a clock that has not reached its first tick, and for the last tick of a round.
  const uint32_t left = SYST_CVR;
  const uint32_t within = left == 0 ? 0 : SYST_LAST - left + 1;
  return (uint64_t)wraps * (SYST_LAST + 1) + within;
}

// --- faults -----------------------------------------------------------------------------------

void device_print(const char* text) {
  register uint32_t operation __asm__("r0") = kSysWrite0;
  register const char* argument __asm__("r1") = text;
  __asm__ volatile("bkpt 0xAB" : "+r"(operation) : "r"(argument) : "memory");
}

static void print_hex(const char* name, uint32_t value) {
  char digits[] = "00000000";
  for (int at = 7; at >= 0; at--, value >>= 4) digits[at] = "0123456789abcdef"[value & 15];
  device_print(name);
  device_print(digits);
}

// The end of every exception but SysTick. `frame`: what the exception pushed, if there was room.
void device_fault(const uint32_t* frame) __attribute__((noreturn));
void device_fault(const uint32_t* frame) {
  static const char* const kNames[] = {"thread",    "reset",    "NMI",        "HardFault",
                                       "MemManage", "BusFault", "UsageFault", "exception"};
  const uint32_t exception = ICSR & 0x1FFu;
  device_print("\nFAULT ");
  device_print(kNames[exception < 7 ? exception : 7]);
  print_hex(" cfsr=", CFSR);
  if ((CFSR & CFSR_NO_FRAME) == 0) {
    print_hex(" pc=", frame[6]);
    print_hex(" lr=", frame[5]);
  } else {
    device_print(" stack overflow");
  }
  device_print("\n");
  _exit(kExitFault);
}
