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

#define SYST_CSR_STOP (1u << 2)  // the core clock even while stopped, or QEMU rescales the count
#define SYST_TICKS (1u << 24)    // of a round; the counter counts them down

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

//
// A tick is worth many instructions, and yet the count is exact. With t = floor((a x + b) / n)
// ticks after x instructions, where a = CLOCK_TICKS and n = CLOCK_INSTRUCTIONS, n readings that are
// c instructions apart, a c prime to n, add up to
//
//   sum over i < n of floor((a x + b + a c i) / n) = a x + constant
//
// because the a c i leave each remainder of n once (Hermite's identity). device_clock_stop() takes
// these readings, with c = 7; the constant is what comes out when there is nothing in between.
// Should the counter wrap just while they are taken, one chance in 10^5 or less, the figure is
// wrong.

// When the counter wraps, an exception handler (reset.S) counts it, in so many instructions.
enum { kInstructionsOfWrap = 5 };

volatile uint32_t device_clock_wraps;
volatile uint32_t device_clock_samples;

static void set_to_zero(void) {
  SYST_CSR = SYST_CSR_STOP;
  SYST_RVR = SYST_TICKS - 1;
  SYST_CVR = 0;  // any write; the first tick loads the last value of a round
  device_clock_wraps = 0;
}

// n times the ticks: the samples are what is missing to full rounds, modulo 2^32.
static uint64_t sum_of_ticks(void) {
  const uint32_t round = CLOCK_INSTRUCTIONS * SYST_TICKS;
  return (uint64_t)device_clock_wraps * round + (uint32_t)(round + device_clock_samples);
}

static uint64_t sum_of_nothing(void) {
  static uint64_t sum;
  if (sum == 0) {
    set_to_zero();
    device_clock_start();
    device_clock_stop();
    sum = sum_of_ticks();
  }
  return sum;
}

void device_clock_reset(void) {
  sum_of_nothing();
  set_to_zero();
}

uint64_t device_clock_instructions(void) {
  const uint64_t own = (uint64_t)device_clock_wraps * kInstructionsOfWrap;
  return (sum_of_ticks() - sum_of_nothing()) / CLOCK_TICKS - own;
}

uint64_t device_clock_ticks(void) { return sum_of_ticks() / CLOCK_INSTRUCTIONS; }

// --- report, faults ---------------------------------------------------------------------------

void device_print(const char* text) {
  register uint32_t operation __asm__("r0") = kSysWrite0;
  register const char* argument __asm__("r1") = text;
  __asm__ volatile("bkpt 0xAB" : "+r"(operation) : "r"(argument) : "memory");
}

// Not printf: newlib's small one knows no 64 bits, and needs a heap.
void device_print_field(const char* name, int64_t value) {
  char text[21];
  char* at = text + sizeof text;
  uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
  *--at = '\0';
  do {
    *--at = (char)('0' + rest % 10);
    rest /= 10;
  } while (rest != 0);
  if (value < 0) *--at = '-';
  device_print(name);
  device_print(at);
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
